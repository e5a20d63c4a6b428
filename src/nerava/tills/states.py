"""Where a linked till, the way to one, a sale and a proof stand."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class TillState(StrEnum):
    """How a merchant's link to a point of sale stands."""

    ACTIVE = "active"
    BROKEN = "broken"
    """The provider takes our tokens no more; nothing is read until somebody links it again."""
    ENDED = "ended"


class TillEnd(StrEnum):
    """Who ended a link."""

    BY_MERCHANT = "by-merchant"
    AT_PROVIDER = "at-provider"


class WayState(StrEnum):
    """How far somebody is with linking."""

    ASKED = "asked"
    RETURNED = "returned"
    DONE = "done"
    FAILED = "failed"


class SaleState(StrEnum):
    """What became of an order at a till, as far as we have read it."""

    UNREAD = "unread"
    """Told of, and not shown to us yet."""
    OPEN = "open"
    COMPLETED = "completed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"
    """The provider has a word for it that we do not know."""


class ProofState(StrEnum):
    """Whether a redemption is proved by an order."""

    WAITING = "waiting"
    PROVED = "proved"
    UNPROVED = "unproved"
    """Nobody looks for an order any more; the redemption stands as it was taken by its code."""


class Reason(StrEnum):
    """Why a redemption is not proved by an order."""

    NOT_LOOKED_AT = "not-looked-at"
    NO_ORDER = "no-order"
    NO_PLACE = "no-place"
    NO_BILL = "no-bill"
    NOT_PAID = "order-not-paid"
    CANCELED = "order-canceled"
    AMOUNT_DIFFERS = "amount-differs"
    TAKEN = "order-taken"
    LINK_ENDED = "link-ended"


REASON_TEXTS: Final = {
    Reason.NOT_LOOKED_AT: "Nobody has looked for an order yet: a register can still take the code back.",
    Reason.NO_ORDER: "No order of this place is known around that time.",
    Reason.NO_PLACE: "The place of the register has no location of the point of sale.",
    Reason.NO_BILL: "The register told neither an order nor what the bill came to.",
    Reason.NOT_PAID: "The order is open, or its payment is approved and not completed.",
    Reason.CANCELED: "The order was canceled.",
    Reason.AMOUNT_DIFFERS: "No order that it could be comes to what the bill came to.",
    Reason.TAKEN: "The order proves another redemption already.",
    Reason.LINK_ENDED: "The point of sale is not linked any more.",
}
"""What people are told, for each reason."""


class RefundState(StrEnum):
    """What became of money that was given back at a till."""

    UNREAD = "unread"
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    """The provider did not carry it out."""
