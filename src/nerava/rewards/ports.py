"""What the funding of campaigns asks of a provider that takes payments."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from nerava.kernel.outcomes import Outcome


class PaymentState(StrEnum):
    """How far a payment is."""

    OPEN = "open"
    """The payer has not finished."""
    PROCESSING = "processing"
    """Finished by the payer, but the money may still fail to come."""
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A page at the provider where a sponsor pays; amounts in minor units.

    Attributes:
        checkout: The provider's name for it.
        url: Where the payer goes; None when it is over.
        reference: The id that we gave it.
        payment: The provider's name for the payment, once there is one.
        fee_minor: What the provider kept, 0 until it is known.
        is_live: Real money.
    """

    checkout: str
    url: str | None
    reference: UUID
    state: PaymentState
    amount_minor: int
    currency: str
    payment: str | None
    fee_minor: int
    is_live: bool


class RefundState(StrEnum):
    """How far a refund is; a refund that succeeded may still fail."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back to who paid it; amounts in minor units. `reference` is the id we gave it."""

    refund: str
    reference: str | None
    payment: str
    amount_minor: int
    currency: str
    state: RefundState


class DisputeState(StrEnum):
    """How far a dispute is."""

    OPEN = "open"
    WON = "won"
    """Decided for us: the payment stands."""
    LOST = "lost"
    DROPPED = "dropped"
    """The payer only asked, and nothing came of it."""


@dataclass(frozen=True, slots=True)
class DisputedMoney:
    """One line of the provider's book about a dispute; amounts in minor units.

    Attributes:
        movement: The provider's name for the line.
        amount_minor: Negative when money was taken from us, positive when it came back.
        fee_minor: What the provider charged on top.
    """

    movement: str
    amount_minor: int
    fee_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Dispute:
    """A payer's wish to have a payment back, as it stands now; the amount in minor units.

    Attributes:
        dispute: The provider's name for it.
        reason: Why, in the provider's word.
        answer_by: Until when the provider wants evidence (aware UTC); None when it wants none.
        moved: Every line of the provider's book about it so far.
    """

    dispute: str
    payment: str | None
    state: DisputeState
    amount_minor: int
    currency: str
    reason: str
    answer_by: datetime | None
    moved: tuple[DisputedMoney, ...]


class PaymentProvider(Protocol):
    """A provider that takes payments. Calls have a deadline of their own and never raise for its answers.

    `key` is repeated byte for byte with the same arguments for as long as a result is unknown.
    """

    @property
    def name(self) -> str:
        """The word in `external:{name}`."""

    def open_checkout(
        self, reference: UUID, *, amount_minor: int, currency: str, return_url: str, key: str
    ) -> Outcome[Checkout]:
        """Make a page where somebody pays this amount."""

    def checkout(self, checkout: str) -> Outcome[Checkout]:
        """Read a checkout with the state of its payment."""

    def refund(self, payment: str, reference: UUID, *, amount_minor: int, key: str) -> Outcome[Refund]:
        """Send a part or all of a payment back."""

    def refunds_of(self, payment: str) -> Outcome[list[Refund]]:
        """Read all refunds of a payment; all of it or an error."""

    def dispute(self, dispute: str) -> Outcome[Dispute]:
        """Read a dispute with everything it moved; all of it or an error."""
