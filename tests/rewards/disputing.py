"""A provider whose payers dispute, in memory, and payments of a house that can be disputed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Ok, Outcome
from nerava.rewards.checkout_store import SponsorCheckout
from nerava.rewards.checkouts import CheckoutWork
from nerava.rewards.disputes import DisputeWork, Told, note
from nerava.rewards.ports import Checkout, Dispute, DisputedMoney, DisputeState, PaymentState
from tests.helpers.financial_helpers import PROVIDER
from tests.rewards.house import House

if TYPE_CHECKING:
    from nerava.rewards.ports import PaymentProvider

TAKEN = DisputedMoney("txn_taken", -1_000, 15, "USD")
BACK = DisputedMoney("txn_back", 1_000, 0, "USD")


@dataclass
class Bank:
    """A provider at which every checkout is paid, and disputes are what a test says."""

    name: str = PROVIDER
    disputes: dict[str, Dispute] = field(default_factory=dict)
    pages: dict[str, Checkout] = field(default_factory=dict)

    def checkout(self, checkout: str) -> Outcome[Checkout]:
        """Read a checkout."""
        return Ok(self.pages[checkout])

    def dispute(self, dispute: str) -> Outcome[Dispute]:
        """Read a dispute."""
        return Ok(self.disputes[dispute])


@dataclass
class Desk:
    """Payments of the house's sponsor and who drives them."""

    house: House
    bank: Bank = field(default_factory=Bank)

    @property
    def _providers(self) -> dict[str, PaymentProvider]:
        return {PROVIDER: self.bank}  # type: ignore[dict-item]

    def asked(self, sponsor_id: UUID | None = None, gross: int = 1_000) -> str:
        """Return the name of a payment whose page was just paid; our record of it is still open."""
        checkout_id, now = new_id(), self.house.now
        payment = f"pi_{checkout_id}"
        row = SponsorCheckout(
            id=checkout_id,
            sponsor_id=sponsor_id or self.house.sponsor,
            gross=gross,
            currency="USD",
            provider=PROVIDER,
            state="open",
            checkout=f"cs_{checkout_id}",
            attempts=0,
            due_at=now,
            created_at=now,
        )
        self.house.database.run(lambda session: session.add(row))
        self.bank.pages[f"cs_{checkout_id}"] = Checkout(
            f"cs_{checkout_id}", None, checkout_id, PaymentState.PAID, gross, "USD", payment, 0, is_live=False
        )
        return payment

    def disputed(self, payment: str, state: DisputeState, *moved: DisputedMoney) -> str:
        """Let a payment be disputed at the bank, and return the dispute."""
        name = f"dp_{payment}"
        lines = tuple(replace(one, movement=f"{one.movement}_{payment}") for one in moved)
        self.bank.disputes[name] = Dispute(name, payment, state, 1_000, "USD", "fraudulent", None, lines)
        return name

    def tell(self, dispute: str) -> None:
        """Tell of a dispute."""
        told = Told(PROVIDER, dispute, self.bank.disputes[dispute].payment, is_over=False)
        self.house.database.run(lambda session: note(session, told, self.house.now), repeatable=True)

    def book(self) -> int:
        """Drive payments."""
        house = self.house
        work = CheckoutWork(house.database, house.ledger, self._providers, return_url="https://example.test")
        return work.run(house.now)

    def read(self) -> int:
        """Read disputes."""
        return DisputeWork(self.house.database, self.house.ledger, self._providers).run(self.house.now)
