"""Traps of HubSpot."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "H1": "One bad address of a hundred must not send the other 99 again: found by its trace.",
    "H2": "A changed address would make a second contact: who is known by name is written by name.",
    "H3": "The limit of a day stops this reader of the outbox and no other.",
    "H4": "An unknown property fails a whole batch: halves find the bad row, and only that one is parked.",
    "H5": "A consent that is withdrawn between queueing and sending: nothing is sent.",
}
