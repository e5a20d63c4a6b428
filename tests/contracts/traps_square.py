"""What is easily done wrong with Square."""

from __future__ import annotations

from typing import Final

TRAPS: Final = {
    "Q1": "An order is not there right after its event, and is asked for again; it is not remembered as missing.",
    "Q2": "An order has no lines at first; they come a second later with a higher version.",
    "Q3": "An event comes twice and several at once; the higher version counts, without one the time of change.",
    "Q4": "The signature is over the address as registered, not over the one that a proxy made of it.",
    "Q5": "A tip is in the total and not in the amount; neither tip nor tax counts.",
    "Q6": "A part refund after the redemption takes its share of the points along, once.",
    "Q7": "Access that is revoked stops everything at once; redemptions go on by their code.",
    "Q8": "Of two redemptions that claim one order exactly one is proved by it.",
    "Q9": "A quantity is text and may be a fraction.",
    "Q10": "A payment that is approved is not completed, and may be canceled.",
}
