"""What the product needs of a point of sale, in its own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerava.kernel.outcomes import Outcome
    from nerava.tills.states import RefundState, SaleState

TOKEN_REFUSED: Final = "token-refused"  # noqa: S105 - a code
NOT_THERE: Final = "not-there"


@dataclass(frozen=True, slots=True)
class TillTokens:
    """What lets us read one seller, and what gets the next of it; never shown."""

    account: str
    access: str = field(repr=False)
    refresh: str = field(repr=False)
    good_until: datetime


@dataclass(frozen=True, slots=True)
class Seller:
    """Whom a call is about, and the token that it carries."""

    account: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """A location of a seller."""

    external_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was rung up; half a pound is a quantity."""

    name: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Sale:
    """An order as the provider shows it; amounts in minor units of `currency`, instants aware UTC.

    Attributes:
        amount_minor: What the goods came to: after discounts, without tip and tax.
        version: Grows with every change; None for what no call made.
        payments: The provider's names of what it was paid with.
        refunds: The provider's names of what was given back.
    """

    external_id: str
    location: str
    reference: str | None
    state: SaleState
    lines: tuple[Line, ...]
    currency: str
    amount_minor: int
    tax_minor: int
    tip_minor: int
    discount_minor: int
    version: int | None
    created_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    payments: tuple[str, ...]
    refunds: tuple[str, ...]

    @property
    def total_minor(self) -> int:
        """What was to be paid, tax and tip included."""
        return self.amount_minor + self.tax_minor + self.tip_minor


@dataclass(frozen=True, slots=True)
class TillPayment:
    """A payment. Only one that is completed brought money; one that is approved may lapse."""

    external_id: str
    is_completed: bool
    paid_minor: int


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Money that went back, or is on its way; in minor units, tip and tax included."""

    external_id: str
    state: RefundState
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Changed:
    """Orders that changed, and how to get those after them."""

    orders: tuple[Sale, ...]
    cursor: str | None


class PointOfSale(Protocol):
    """Reads sellers who agreed to it. Never raises for what the other side does."""

    @property
    def name(self) -> str:
        """The provider's word in our rows."""

    def consent_url(self, state: str) -> str:
        """Return the provider's page on which a seller agrees."""

    def exchange(self, code: str) -> Outcome[TillTokens]:
        """Give the code away for tokens. Sent once: `Unknown` means that the code is lost."""

    def renew(self, account: str, refresh: str) -> Outcome[TillTokens]:
        """Return the next tokens; `Refused` means that we are not let in any more."""

    def revoke(self, account: str) -> Outcome[None]:
        """End our access to a seller; one that is over already is a success."""

    def places(self, seller: Seller) -> Outcome[list[Place]]:
        """Return the locations of a seller."""

    def orders(self, seller: Seller, names: Sequence[str]) -> Outcome[list[Sale]]:
        """Return those of at most 100 orders that are there; one that is missing may come yet."""

    def changed(
        self, seller: Seller, places: Sequence[str], since: datetime, cursor: str | None
    ) -> Outcome[Changed]:
        """Return a page of orders that changed since an instant, the earliest change first."""

    def payment(self, seller: Seller, name: str) -> Outcome[TillPayment]:
        """Return a payment; `Refused` with `NOT_THERE` for one that is not there."""

    def refund(self, seller: Seller, name: str) -> Outcome[GivenBack]:
        """Return a refund; `Refused` with `NOT_THERE` for one that is not there."""
