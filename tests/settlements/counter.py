"""A merchant whose sales, refunds and claims happen at any instant, and the jobs that settle it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from nerava.audit import AuditLog
from nerava.charging import service as charging
from nerava.charging.ingest import NewLocation, register_locations
from nerava.charging.service import SessionStart
from nerava.drivers import service as drivers
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import fact_id, new_id
from nerava.ledger import Ledger
from nerava.ledger.audit import audit
from nerava.ledger.chart import merchant_nova, merchant_payable, merchant_receivable
from nerava.ledger.templates.claim_fee import claim_fee
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.ledger.templates.redemption import redemption_capture, redemption_show
from nerava.merchants import refunding
from nerava.merchants.model import Offer, PerkClaim, Redemption
from nerava.merchants.refunding import Counter as Hand
from nerava.merchants.service import (
    NewMerchant,
    NewSite,
    add_site,
    create_merchant,
    enrol_register,
)
from nerava.payouts.interruptions import Interruptions
from nerava.payouts.model import PayoutMethod
from nerava.payouts.states import MethodState, OwnerKind
from nerava.platform.db import Database
from nerava.settlements.closing import Closing
from nerava.settlements.dunning import Reminding
from nerava.settlements.model import Invoice, MerchantNotice, Settlement
from nerava.settlements.paying import Paying
from nerava.web.checks import CHECKS
from tests.helpers.financial_helpers import Books

BEGAN = datetime(2026, 1, 5, 18, tzinfo=UTC)
ZONE = "America/Chicago"
MINIMUM = 1_000


@dataclass
class Counter:
    """A merchant with one place, a register, an offer and a perk; and a driver with many points."""

    database: Database
    clock: FixedClock
    books: Books
    merchant_id: UUID
    site_id: UUID
    register_id: UUID
    offer_id: UUID
    perk_id: UUID
    driver_id: UUID

    @property
    def ledger(self) -> Ledger:
        """The ledger of this process."""
        return self.books.ledger

    def closing(self, interruptions: Interruptions | None = None) -> Closing:
        """Return what closes periods."""
        return Closing(self.database, self.ledger, interruptions=interruptions or Interruptions())

    def paying(self, interruptions: Interruptions | None = None) -> Paying:
        """Return what pays merchants out."""
        more = interruptions or Interruptions()
        return Paying(self.database, self.ledger, MINIMUM, interruptions=more)

    def sell(self, points: int, at: datetime) -> UUID:
        """Capture a code at an instant and return the redemption."""
        self.clock.move_to(at)
        redemption_id = new_id()
        show = redemption_show(
            redemption_id=redemption_id,
            driver_id=self.driver_id,
            merchant_id=self.merchant_id,
            price=points,
            expires_at=at + timedelta(minutes=10),
        )
        take = redemption_capture(redemption_id=redemption_id, register_id=self.register_id, price=points)

        def unit(session: Session) -> None:
            assert self.ledger.post(session, show).ok
            verdict = self.ledger.post(session, take)
            assert verdict.ok
            session.execute(
                insert(Redemption).values(
                    id=redemption_id,
                    driver_id=self.driver_id,
                    merchant_id=self.merchant_id,
                    offer_id=self.offer_id,
                    price_nova=points,
                    state="captured",
                    code_hash=redemption_id.bytes * 2,
                    code_key="test",
                    hold_key=show.key,
                    local_date="2026-01-05",
                    shown_at=at,
                    expires_at=at + timedelta(minutes=10),
                    due_at=at + timedelta(minutes=10),
                    register_id=self.register_id,
                    site_id=self.site_id,
                    points=points,
                    captured_at=verdict.posted_at,
                )
            )

        self.database.run(unit)
        return redemption_id

    def give_back(self, redemption_id: UUID, points: int, at: datetime) -> UUID:
        """Refund points of a redemption at an instant."""
        self.clock.move_to(at)
        refund_id = new_id()
        hand = Hand(self.merchant_id, "test")
        self.database.run(
            lambda session: refunding.refund(
                session, self.ledger, hand, redemption_id, refund_id=refund_id, points=points, now=at
            )
        )
        return refund_id

    def claim(self, fee: int, at: datetime) -> UUID:
        """Let a driver who charges claim the perk at an instant."""
        self.clock.move_to(at)
        claim_id, reference = new_id(), str(new_id())
        place = NewLocation(source="test", reference=reference, name="Garage", timezone=ZONE)
        chain = claim_fee(claim_id=claim_id, merchant_id=self.merchant_id, fee=fee) if fee else None

        def unit(session: Session) -> None:
            driver = drivers.register(session, self.ledger, [reference], at)[reference]
            location = register_locations(session, [place])["test", reference]
            start = SessionStart(
                source="test",
                reference=reference,
                driver_id=driver,
                location_id=location,
                connector_id=None,
                started_at=at,
            )
            session_id = charging.start(session, start, at)
            assert chain is None or self.ledger.post(session, chain).ok
            session.execute(
                insert(PerkClaim).values(
                    id=claim_id,
                    offer_id=self.perk_id,
                    merchant_id=self.merchant_id,
                    site_id=self.site_id,
                    driver_id=driver,
                    session_id=session_id,
                    fee_minor=fee,
                    transaction_key=None if chain is None else chain.key,
                    claimed_at=at,
                )
            )

        self.database.run(unit)
        return claim_id

    def close(self, at: datetime) -> list[Settlement]:
        """Let the closing job work until nothing is due; return the merchant's settlements in order."""
        self.clock.move_to(at)
        while self.closing().run(at):
            pass
        return self.settlements()

    def pay(self, at: datetime) -> Settlement:
        """Let the paying job work until nothing is due; return the latest settlement."""
        self.clock.move_to(at)
        while self.paying().run(at):
            pass
        return self.settlements()[-1]

    def remind(self, at: datetime) -> None:
        """Let the reminding job work until nothing is due."""
        self.clock.move_to(at)
        while Reminding(self.database, AuditLog()).run(at):
            pass

    def can_be_paid(self) -> None:
        """Give the merchant an account at the provider."""
        method = {
            "id": new_id(),
            "owner_kind": OwnerKind.MERCHANT.value,
            "owner_id": self.merchant_id,
            "provider": "stripe",
            "account": f"acct_{self.merchant_id.hex[:10]}",
            "state": MethodState.READY.value,
            "links": 1,
            "looks": 0,
            "created_at": BEGAN,
            "ready_at": BEGAN,
        }
        self.database.run(lambda session: session.execute(insert(PayoutMethod).values(method)))

    def settlements(self) -> list[Settlement]:
        """Return the merchant's settlements in order."""
        query = select(Settlement).where(Settlement.merchant_id == self.merchant_id)
        return self._all(query.order_by(Settlement.since_at))

    def invoices(self) -> list[Invoice]:
        """Return the merchant's invoices in order."""
        query = select(Invoice).where(Invoice.merchant_id == self.merchant_id)
        return self._all(query.order_by(Invoice.year, Invoice.number))

    def told(self) -> list[str]:
        """Return what the merchant was told, in order."""
        query = select(MerchantNotice).where(MerchantNotice.merchant_id == self.merchant_id)
        return [one.kind for one in self._all(query.order_by(MerchantNotice.id))]

    def set(self, table: Any, **values: object) -> None:
        """Change every row of a table, as nobody may."""
        self.database.run(lambda session: session.execute(update(table).values(values)))

    @property
    def money(self) -> tuple[int, int, int]:
        """The merchant's points, what it is owed, and what it owes as a number below 0."""
        codes = (merchant_nova, merchant_payable, merchant_receivable)
        nova, payable, receivable = self.books.posted(*(code(self.merchant_id) for code in codes))
        return nova, payable, receivable

    def findings(self) -> list[object]:
        """Return everything that is wrong; nothing is what every test ends with."""
        mine = self.database.read(lambda session: audit(session, CHECKS), patient=True)
        return [*self.books.findings(), *mine]

    def _all(self, query: Any) -> list[Any]:
        return self.database.read(lambda session: list(session.scalars(query)))


@contextmanager
def open_counter(database: Database, zone: str = ZONE, *, began: datetime = BEGAN) -> Iterator[Counter]:
    """Open a merchant in a zone, on a fresh database."""
    clock = FixedClock(began)
    ledger = Ledger(database, clock)
    books = Books.opened(database, ledger)
    wealth, giver = 10_000_000, books.sponsor(20_000_000)
    books.must(promo_funding(funding_id=new_id(), sponsor_id=giver, amount=wealth))

    def unit(session: Session) -> Counter:
        known = drivers.register(session, ledger, ["rich"], began)
        driver_id = known["rich"]
        merchant_id = create_merchant(
            session, ledger, NewMerchant(name="Café Łódź", currency="USD", timezone=zone), began
        )
        site_id = add_site(session, merchant_id, NewSite("Loop", "1 State St", 41.88, -87.63), began)
        register_id = enrol_register(session, merchant_id, site_id, "Till", began)
        offers = [
            {"kind": "discount", "title": "=3.00 off", "price_nova": 300, "claim_fee_minor": None},
            {"kind": "perk", "title": "A free coffee", "price_nova": None, "claim_fee_minor": 100},
        ]
        ids = [new_id(), new_id()]
        for offer_id, one in zip(ids, offers, strict=True):
            more = {"id": offer_id, "merchant_id": merchant_id, "starts_at": began, "state": "live"}
            session.execute(insert(Offer).values(**one, **more, created_at=began))
        return Counter(database, clock, books, merchant_id, site_id, register_id, ids[0], ids[1], driver_id)

    counter = database.run(unit)
    gift = promo_grant(
        kind=PromoKind.GOODWILL, reference_id=fact_id("rich"), driver_id=counter.driver_id, points=wealth
    )
    books.must(gift)
    try:
        yield counter
    finally:
        ledger.close()
