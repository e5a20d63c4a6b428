"""What the merchants package refuses."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class UnknownMerchant(NeravaError):
    """No merchant has this id."""

    code = "unknown-merchant"
    status = HTTPStatus.NOT_FOUND
    title = "No such merchant"


class TimezoneUnknown(NeravaError):
    """No IANA time zone has this name."""

    code = "timezone-unknown"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "No such time zone"


class UnknownSite(NeravaError):
    """The merchant has no site with this id."""

    code = "unknown-site"
    status = HTTPStatus.NOT_FOUND
    title = "No such site"


class UnknownRegister(NeravaError):
    """The merchant has no register with this id, or it is closed."""

    code = "unknown-register"
    status = HTTPStatus.NOT_FOUND
    title = "No such register"


class UnknownOffer(NeravaError):
    """No offer has this id, or none that the caller may see."""

    code = "unknown-offer"
    status = HTTPStatus.NOT_FOUND
    title = "No such offer"


class WrongOfferState(NeravaError):
    """The offer is not in a state from which this can happen."""

    code = "wrong-offer-state"
    status = HTTPStatus.CONFLICT
    title = "The offer is in another state"


class OfferNotAvailable(NeravaError):
    """The offer is paused or over, has not begun, or is of another kind; nothing was held."""

    code = "offer-not-available"
    status = HTTPStatus.CONFLICT
    title = "The offer is not available now"


class SoldOut(NeravaError):
    """The stock of the day is taken; nothing was held."""

    code = "sold-out"
    status = HTTPStatus.CONFLICT
    title = "Sold out today"


class InsufficientNova(NeravaError):
    """The driver has fewer Nova than the offer costs; nothing was held."""

    code = "insufficient-nova"
    status = HTTPStatus.CONFLICT
    title = "Not enough Nova"


class CodeAlreadyShown(NeravaError):
    """The driver has a code for this merchant already that nobody took; one at a time."""

    code = "code-already-shown"
    status = HTTPStatus.CONFLICT
    title = "A code for this merchant is open"


class UnknownRedemption(NeravaError):
    """No redemption has this id, or none that the caller may see."""

    code = "unknown-redemption"
    status = HTTPStatus.NOT_FOUND
    title = "No such redemption"


class CodeMistyped(NeravaError):
    """The code fails its check character: somebody mistyped it. It was not tried."""

    code = "code-mistyped"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The code is mistyped"


class UnknownCode(NeravaError):
    """No code of this merchant is so. The try counts."""

    code = "unknown-code"
    status = HTTPStatus.NOT_FOUND
    title = "No such code here"


class CodeExpired(NeravaError):
    """The code ran out; its Nova are the driver's again."""

    code = "code-expired"
    status = HTTPStatus.GONE
    title = "The code has expired"


class CodeWithdrawn(NeravaError):
    """The driver withdrew the code."""

    code = "code-withdrawn"
    status = HTTPStatus.GONE
    title = "The code was withdrawn"


class CodeAlreadyUsed(NeravaError):
    """The code was redeemed before; at which register and when is told to the merchant's own."""

    code = "code-already-used"
    status = HTTPStatus.CONFLICT
    title = "The code was used already"
    told = frozenset({"redemption_id", "register_id", "captured_at"})


class PosOrderTaken(NeravaError):
    """A code was redeemed for this order before; nothing was taken."""

    code = "pos-order-taken"
    status = HTTPStatus.CONFLICT
    title = "The order has a code already"


class TooLateToVoid(NeravaError):
    """More than a minute has passed; a manager can refund."""

    code = "too-late-to-void"
    status = HTTPStatus.CONFLICT
    title = "Too late to void"


class NotRefundable(NeravaError):
    """Nothing was captured, or all of it was given back."""

    code = "not-refundable"
    status = HTTPStatus.CONFLICT
    title = "There is nothing to give back"


class RefundNotYours(NeravaError):
    """A refund of this size is the owner's to give."""

    code = "refund-not-yours"
    status = HTTPStatus.FORBIDDEN
    title = "The owner must refund this much"


class AlreadySettled(NeravaError):
    """The merchant was settled since, and holds fewer points than this; nothing was moved."""

    code = "already-settled"
    status = HTTPStatus.CONFLICT
    title = "The period is settled already"


class NotCharging(NeravaError):
    """The driver has no charging session with fresh evidence."""

    code = "not-charging"
    status = HTTPStatus.CONFLICT
    title = "This is for people who are charging"


class TooFarAway(NeravaError):
    """The car charges too far from the merchant."""

    code = "too-far-away"
    status = HTTPStatus.CONFLICT
    title = "You charge too far away"


class AlreadyClaimed(NeravaError):
    """The driver has claimed this in the same session; nothing was charged again."""

    code = "already-claimed"
    status = HTTPStatus.CONFLICT
    title = "Claimed already in this session"


class UnknownCodeBatch(NeravaError):
    """The merchant has no codes under this id."""

    code = "unknown-code-batch"
    status = HTTPStatus.NOT_FOUND
    title = "No such codes"


class WrongCodeBatchState(NeravaError):
    """The codes are not in a state from which this can happen."""

    code = "wrong-code-batch-state"
    status = HTTPStatus.CONFLICT
    title = "The codes are in another state"


class OfferCodeClaimed(NeravaError):
    """Somebody else was first."""

    code = "offer-code-claimed"
    status = HTTPStatus.CONFLICT
    title = "The code was claimed already"


class OfferCodeOver(NeravaError):
    """The code has expired, or is paused with its offer."""

    code = "offer-code-over"
    status = HTTPStatus.GONE
    title = "The code does not work any more"


class RedemptionRefused(NeravaError):
    """The ledger refused a posting that should have been possible; nothing was moved."""

    code = "redemption-refused"
    status = HTTPStatus.CONFLICT
    title = "The ledger refused"
