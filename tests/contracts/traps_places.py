"""What is easily done wrong with the Places API (New)."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "P1": "A call without a field mask, or with a space in it, is 400 and not tried again.",
    "P2": "Twenty results are the end; there is no next page.",
    "P3": "More than twenty results cannot be asked for.",
    "P4": "Nothing found is an object without a list of places.",
    "P5": "An id that worked may be dead: it rests for a day, and our place stays.",
    "P6": "A place that moved is followed once, and its new id is kept.",
    "P7": "What is not known is absent; a place without hours is not closed.",
    "P8": "A method whose quota is used up says nothing about another method.",
    "P9": "A photo redirects unless it is told not to; we follow no redirect.",
    "P10": "One id with two masks are two answers; the poorer one never serves the richer use.",
    "P11": "A place that is closed for a while or for good is not recommended.",
}
