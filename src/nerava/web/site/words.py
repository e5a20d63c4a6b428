"""One table of what states are called in front of people, and how each is marked beside its colour."""

from __future__ import annotations

from typing import Final, NamedTuple

from nerava.web.site.merchant_said import MERCHANT_SAID
from nerava.web.site.ops_said import OPS_SAID
from nerava.web.site.sponsor_said import SPONSOR_SAID


class Word(NamedTuple):
    """A state as people read it.

    Attributes:
        tone: `ok`, `info`, `warn`, `danger` or `grey`; never the only sign of a state.
    """

    text: str
    tone: str


_UNKNOWN_TONE: Final = "grey"

WORDS: Final[dict[str, dict[str, Word]]] = {
    "session": {
        "open": Word("Charging", "info"),
        "closed": Word("Checking", "info"),
        "verified": Word("Verified", "ok"),
        "review": Word("In review", "warn"),
        "rejected": Word("Not verified", "danger"),
    },
    "grant": {
        "provisional": Word("Pending", "warn"),
        "settled": Word("Earned", "ok"),
        "released": Word("Not earned", "grey"),
        "clawed_back": Word("Taken back", "danger"),
    },
    "car": {
        "active": Word("Connected", "ok"),
        "review": Word("In review", "warn"),
        "broken": Word("Connect again", "danger"),
        "ended": Word("Disconnected", "grey"),
    },
    "reward": {
        "provisional": Word("Reserved", "warn"),
        "settled": Word("Given", "ok"),
        "released": Word("Not given", "grey"),
        "clawed_back": Word("Taken back", "danger"),
    },
    "redemption": {
        "held": Word("Ready", "ok"),
        "captured": Word("Redeemed", "ok"),
        "released": Word("Withdrawn", "grey"),
        "expired": Word("Expired", "grey"),
        "voided": Word("Voided", "grey"),
        "partly_refunded": Word("Partly refunded", "info"),
        "refunded": Word("Refunded", "info"),
    },
    "payout": {
        "requested": Word("In review", "info"),
        "approved": Word("In review", "info"),
        "submitted": Word("On its way", "info"),
        "unknown": Word("On its way (we are checking)", "warn"),
        "paid": Word("Paid", "ok"),
        "failed": Word("Failed", "danger"),
        "returned": Word("Came back", "danger"),
        "canceled": Word("Taken back", "grey"),
    },
    "ops payout": {
        "requested": Word("Waits", "warn"),
        "approved": Word("Let go", "info"),
        "submitted": Word("On its way", "info"),
        "unknown": Word("Nobody knows", "warn"),
        "paid": Word("Paid", "ok"),
        "failed": Word("Failed", "danger"),
        "returned": Word("Came back", "danger"),
        "canceled": Word("Ended before it left", "grey"),
    },
    "step": {
        "send": Word("Sent to the provider", "info"),
        "pay_out": Word("Paid out to the bank", "info"),
        "await": Word("The bank has yet to say", "info"),
        "take_back": Word("Fetched back", "warn"),
        "watch": Word("Watched for some days", "ok"),
        "over": Word("Nothing more", "grey"),
    },
    "batch": {
        "waiting": Word("Waits for a second person", "warn"),
        "approved": Word("Let go", "ok"),
        "refused": Word("Refused", "grey"),
    },
    "case": {
        "matched": Word("Match", "ok"),
        "missing": Word("Missing at the provider", "danger"),
        "extra": Word("Missing in our book", "danger"),
        "amount": Word("Another amount", "danger"),
        "currency": Word("Another currency", "danger"),
        "duplicate": Word("Sent twice", "danger"),
        "late_reversal": Word("Taken back later", "danger"),
        "wrong_account": Word("Another account", "danger"),
        "stuck": Word("On its way for over a day", "warn"),
        "stalled": Word("Only people can decide", "warn"),
        "low_balance": Word("Too little at the provider", "warn"),
    },
    "settlement": {
        "closed": Word("Just closed", "info"),
        "waiting": Word("Waits", "warn"),
        "rolled_over": Word("Stays owed", "grey"),
        "requested": Word("Paid out", "ok"),
    },
    "invoice": {
        "open": Word("Open", "info"),
        "overdue": Word("Overdue", "danger"),
        "paid": Word("Paid", "ok"),
        "written_off": Word("Given up", "grey"),
    },
    "verdict": {
        "verify": Word("Verified", "ok"),
        "doubt": Word("In review", "warn"),
        "reject": Word("Not verified", "danger"),
    },
    "outcome": {
        "granted": Word("Earned", "ok"),
        "held": Word("Pending", "warn"),
        "kept": Word("Kept as it was", "grey"),
        "refused": Word("Not earned", "grey"),
    },
    "event": {
        "received": Word("Received", "info"),
        "retry": Word("Tried again", "warn"),
        "done": Word("Done", "ok"),
        "ignored": Word("Nobody works on it", "grey"),
        "dead": Word("Given up", "danger"),
    },
    "peer": {
        "invited": Word("Invited", "warn"),
        "registered": Word("Connected", "ok"),
        "ended": Word("Ended", "grey"),
    },
    "method": {
        "onboarding": Word("Waits for your details", "warn"),
        "ready": Word("Ready", "ok"),
        "blocked": Word("Blocked by the provider", "danger"),
        "removed": Word("Removed", "grey"),
    },
    "campaign": {
        "draft": Word("Draft", "grey"),
        "active": Word("Running", "ok"),
        "paused": Word("Paused", "warn"),
        "ended": Word("Ended", "grey"),
    },
    "offer": {
        "draft": Word("Draft", "grey"),
        "live": Word("Live", "ok"),
        "paused": Word("Paused", "warn"),
        "ended": Word("Ended", "grey"),
    },
    "codes": {
        "open": Word("Open", "ok"),
        "paused": Word("Paused", "warn"),
        "ended": Word("Ended", "grey"),
    },
    "merchant": {
        "active": Word("Open", "ok"),
        "suspended": Word("Suspended", "danger"),
    },
    "register": {
        "active": Word("Open", "ok"),
        "closed": Word("Closed", "grey"),
    },
    "refund": {
        "asked": Word("Being prepared", "info"),
        "pending": Word("On its way", "info"),
        "paid": Word("Paid back", "ok"),
        "failed": Word("Failed, with your deposits again", "danger"),
        "returned": Word("Came back to your deposits", "warn"),
    },
    "payment": {
        "asked": Word("Being prepared", "info"),
        "open": Word("Waits for payment", "warn"),
        "processing": Word("Clearing", "info"),
        "paid": Word("Paid", "ok"),
        "failed": Word("Failed", "danger"),
        "expired": Word("Expired", "grey"),
    },
}
"""By kind of thing and stored state. A state that is missing is shown as it is stored, in grey."""

SAID: Final[dict[str, str]] = {
    "signed-out": "You are signed out.",
    "saved": "Saved.",
    "payout-asked": "Your payout is asked for.",
    "payout-taken-back": "The payout is taken back. Your Nova are here again.",
    "sign-in-ended": "That sign-in is over.",
    "car-gone": "The car is disconnected. Nothing more is read from it.",
    "erasure-asked": "You will be forgotten. Until then you can go back on it here.",
    "erasure-undone": "You stay. Nothing was erased.",
    "perk-claimed": "It is yours. Show this page at the register.",
    "code-withdrawn": "The code is withdrawn. Its Nova can be spent at once.",
    "method-removed": "Nothing is paid there any more.",
    **MERCHANT_SAID,
    **OPS_SAID,
    **SPONSOR_SAID,
}
"""What a page says after something was done, by the word that the address carries."""


def word(kind: str, state: str) -> Word:
    """Return how a state of a kind of thing is called."""
    found = WORDS.get(kind, {}).get(state)
    return found or Word(state.replace("_", " ").replace("-", " ").capitalize(), _UNKNOWN_TONE)
