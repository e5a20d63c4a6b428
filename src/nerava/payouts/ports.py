"""What payouts ask of a provider that moves money to banks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.kernel.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Recipient:
    """An account at the provider that money can be sent to.

    Attributes:
        account: The provider's name for it.
        may_be_paid: Transfers to it and payouts from it to the bank are allowed now.
        wanted: What the provider still wants to know, in its own words.
        last4: The last four digits of the bank account or card, if there is one.
    """

    account: str
    may_be_paid: bool
    wanted: tuple[str, ...] = ()
    last4: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """Money that left our balance for a recipient's account; amounts in minor units.

    Attributes:
        transfer: The provider's name for it.
        reversed_minor: What came back to us of it.
    """

    transfer: str
    account: str
    amount_minor: int
    currency: str
    reversed_minor: int = 0


class BankState(StrEnum):
    """How far money is on its way from the recipient's account to their bank."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    """Also after `paid`, days later: the bank sent it back."""
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class BankPayout:
    """The provider's payout to the recipient's bank; amounts in minor units."""

    payout: str
    account: str
    amount_minor: int
    currency: str
    state: BankState
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of the provider's report about our balance, for reconciliation.

    Attributes:
        id: The provider's name for the line.
        kind: `charge`, `transfer`, `transfer_reversal`, `refund`, `dispute`, `fee`, or its own word.
        group: Our id for what it belongs to, if we gave one.
        amount_minor: Positive when money came to us.
        payment: The provider's name for the payment that a charge or a refund belongs to.
    """

    id: str
    kind: str
    source: str
    group: str | None
    amount_minor: int
    fee_minor: int
    currency: str
    created_s: int
    payment: str | None = None


class PayoutProvider(Protocol):
    """A provider that pays people. Calls have a deadline of their own and never raise for what it answers.

    `key` is repeated byte for byte with the same arguments for as long as a result is unknown.
    """

    @property
    def name(self) -> str:
        """The word in `external:{name}`."""

    def make_recipient(self, reference: UUID, *, currency: str, key: str) -> Outcome[Recipient]:
        """Open an account for somebody we know as `reference`."""

    def onboarding_url(self, account: str, *, return_url: str, key: str) -> Outcome[str]:
        """Return where the recipient tells the provider who they are; good for a few minutes."""

    def recipient(self, account: str) -> Outcome[Recipient]:
        """Read an account."""

    def available(self, currency: str) -> Outcome[int]:
        """Return what we could send now, in minor units."""

    def send(
        self, payout_id: UUID, *, account: str, amount_minor: int, currency: str, key: str
    ) -> Outcome[Sent]:
        """Send money to a recipient's account; at the provider it belongs to the group `payout_id`."""

    def sent_for(self, payout_id: UUID) -> Outcome[list[Sent]]:
        """Read everything that was sent in the group `payout_id`; all of it or an error, never a part."""

    def pay_out(
        self, payout_id: UUID, *, account: str, amount_minor: int, currency: str, key: str
    ) -> Outcome[BankPayout]:
        """Send what is on a recipient's account on to their bank."""

    def bank_payouts_for(self, payout_id: UUID, *, account: str) -> Outcome[list[BankPayout]]:
        """Read every payout to the bank that was made for `payout_id`; all of it or an error."""

    def take_back(self, transfer: str, *, amount_minor: int, key: str) -> Outcome[Sent]:
        """Bring money back from a recipient's account to ours."""

    def movements(self, *, since_s: int, until_s: int) -> Outcome[list[Movement]]:
        """Read every line of our balance created in [since, until), Unix seconds; all or an error."""
