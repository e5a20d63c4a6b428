"""What the pages of a sponsor say after something was done."""

from __future__ import annotations

from typing import Final

SPONSOR_SAID: Final[dict[str, str]] = {
    "campaign-runs": "It runs. Sessions earn from it from now on.",
    "campaign-paused": "Paused. Nothing new is given.",
    "campaign-ended": "Ended. What is reserved is still decided.",
    "campaign-closed": "The rest is with your deposits again.",
    "campaign-drafted": "Kept as a draft. Nothing is given before you start it.",
    "campaign-funded": "Added to the budget.",
    "colleague-out": "They can do nothing here any more.",
    "deposits-back": "Reserved. It goes back by the payments that brought it.",
}
"""By the word that the address carries."""
