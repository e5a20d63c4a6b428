"""The words of payouts: kinds, states, steps, and what can be the matter with one."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class OwnerKind(StrEnum):
    """Who is paid."""

    DRIVER = "driver"
    MERCHANT = "merchant"


class MethodState(StrEnum):
    """Whether somebody can be paid by a method."""

    ONBOARDING = "onboarding"
    """The provider has yet to learn who they are."""
    READY = "ready"
    BLOCKED = "blocked"
    """It could be used and cannot any more, until the provider says otherwise."""
    REMOVED = "removed"


class Kind(StrEnum):
    """What a payout is; also the name of its posting template."""

    DRIVER_CASHOUT = "driver_cashout"
    MERCHANT_PAYOUT = "merchant_payout"


class PayoutState(StrEnum):
    """How far a payout is, as its owner sees it."""

    REQUESTED = "requested"
    """Asked for; the money is held and nobody has let it go yet."""
    APPROVED = "approved"
    SUBMITTED = "submitted"
    """From just before the first byte leaves: the money is on its way."""
    UNKNOWN = "unknown"
    """Nobody knows whether the provider did it; only reading the provider tells."""
    PAID = "paid"
    """The bank has it. It may still send it back within days."""
    FAILED = "failed"
    """It was definitely not paid, and the money is back."""
    RETURNED = "returned"
    """It was paid, the bank sent it back, and the money is back."""
    CANCELED = "canceled"
    """Taken back or rejected before it was submitted."""


class Step(StrEnum):
    """What happens next to a payout that is under way."""

    SEND = "send"
    """From our balance to the recipient's account at the provider."""
    PAY_OUT = "pay_out"
    """From there to their bank."""
    AWAIT = "await"
    """The bank has yet to say."""
    TAKE_BACK = "take_back"
    """The bank would not have it: from the recipient's account to our balance."""
    WATCH = "watch"
    """Paid; banks send money back for some days."""
    OVER = "over"


class EvidenceSource(StrEnum):
    """How something about a payout became known."""

    REPLY = "reply"
    WEBHOOK = "webhook"
    READ = "read"
    RECONCILE = "reconcile"
    PERSON = "person"


class CaseKind(StrEnum):
    """What can be the matter."""

    MISSING = "missing"
    """Our book has a transfer that the provider's has not."""
    EXTRA = "extra"
    """The provider's book has a transfer that ours has not."""
    AMOUNT = "amount"
    CURRENCY = "currency"
    DUPLICATE = "duplicate"
    """More than one transfer for one payout."""
    LATE_REVERSAL = "late_reversal"
    """The provider has taken back what our book says was paid."""
    WRONG_ACCOUNT = "wrong_account"
    STUCK = "stuck"
    """On its way for longer than a day."""
    STALLED = "stalled"
    """Only people can decide how it goes on."""
    LOW_BALANCE = "low_balance"
    """Approved, but there is not enough at the provider."""


BEFORE_SUBMISSION: Final = (PayoutState.REQUESTED, PayoutState.APPROVED)
IN_CLEARING: Final = (PayoutState.SUBMITTED, PayoutState.UNKNOWN)
"""The money rests in `payout:clearing`."""

OPEN: Final = (*BEFORE_SUBMISSION, *IN_CLEARING)

DRIFTS: Final = (
    CaseKind.MISSING,
    CaseKind.EXTRA,
    CaseKind.AMOUNT,
    CaseKind.CURRENCY,
    CaseKind.DUPLICATE,
    CaseKind.LATE_REVERSAL,
    CaseKind.WRONG_ACCOUNT,
)
"""How two books can differ."""
