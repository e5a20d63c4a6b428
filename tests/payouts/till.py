"""A house that pays out: drivers with points and contacts, a bank in memory, and a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from nerava.drivers import service as drivers
from nerava.identity.session_store import AuthSession, SessionKind
from nerava.identity.user_store import AppUser, UserContact, UserState
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.ledger import Ledger
from nerava.ledger.audit import audit
from nerava.ledger.chart import PAYOUT_CLEARING, driver_nova, external, merchant_nova, merchant_payable
from nerava.ledger.templates.merchant_settlement import merchant_settlement
from nerava.ledger.templates.redemption import redemption_capture, redemption_show
from nerava.ledger.templates.session_reward import SessionGrant, session_reward
from nerava.payouts import approving
from nerava.payouts.checks import CHECKS
from nerava.payouts.interruptions import Interruptions
from nerava.payouts.model import Payout, PayoutCase, PayoutEvidence
from nerava.payouts.requesting import Cashout, request_cashout
from nerava.payouts.rules import PayoutRules
from nerava.payouts.service import Payouts
from nerava.payouts.states import OwnerKind
from nerava.platform.client_address import Client
from nerava.platform.db import Database
from nerava.platform.limits import Limits
from nerava.platform.secrets import Secrets
from tests.helpers.financial_helpers import Books
from tests.helpers.other_bank import OtherBank

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FEE = 25


@dataclass
class Person:
    """A driver who can be paid.

    Attributes:
        session_id: Their sign-in, an hour old, with a passkey just shown.
    """

    driver_id: UUID
    user_id: UUID
    session_id: UUID
    method_id: UUID
    account: str


@dataclass
class Till:
    """Payouts with everything around them."""

    database: Database
    clock: FixedClock
    books: Books
    bank: OtherBank
    payouts: Payouts
    folder: Path
    finance: tuple[UUID, UUID] = field(default_factory=lambda: (new_id(), new_id()))

    @property
    def now(self) -> datetime:
        """What the clock says."""
        return self.clock.now()

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.clock.move_to(self.now + timedelta(**span))

    def restarted(self, interruptions: Interruptions | None = None) -> None:
        """Go on with objects of a new process."""
        ledger = Ledger(self.database, self.clock)
        self.books = Books(self.database, ledger)
        self.payouts = make_payouts(self.database, ledger, self.clock, self.bank, self.folder, interruptions)

    def person(self, points: int = 10_000, *, method_age: timedelta = timedelta(days=4)) -> Person:
        """Return a driver with points, a contact, and a method that has been ready for a while."""
        reference, user_id, session_id = f"test:{new_id()}", new_id(), new_id()
        now, long_ago = self.now, self.now - timedelta(days=90)

        def unit(session: Session) -> UUID:
            driver_id = drivers.register(session, self.books.ledger, [reference], now)[reference]
            session.add(AppUser(id=user_id, created_at=long_ago, state=UserState.ACTIVE.value))
            session.flush()
            contact_ix = user_id.bytes * 2
            session.add(
                UserContact(
                    id=new_id(),
                    user_id=user_id,
                    kind="email",
                    contact_ix=contact_ix,
                    sealed=b"x",
                    verified_at=long_ago,
                )
            )
            session.add(
                AuthSession(
                    id=session_id,
                    user_id=user_id,
                    kind=SessionKind.APP.value,
                    client="ios",
                    methods="passkey",
                    opened_at=now - timedelta(hours=1),
                    authenticated_at=now - timedelta(hours=1),
                    strong_at=now,
                    used_at=now,
                    expires_at=now + timedelta(days=30),
                )
            )
            return driver_id

        driver_id = self.database.run(unit)
        if points:
            self.books.must(
                session_reward(SessionGrant(self.books.campaign(points), new_id(), driver_id, points))
            )
        method_id, account = self.method(OwnerKind.DRIVER, driver_id, age=method_age)
        return Person(driver_id, user_id, session_id, method_id, account)

    def method(
        self, kind: OwnerKind, owner_id: UUID, *, age: timedelta = timedelta(days=4), last4: str = "4242"
    ) -> tuple[UUID, str]:
        """Return a method that became ready some time ago, and its account."""
        self.clock.move_to(self.now - age)
        link = self.payouts.methods.open(kind, owner_id, return_url="https://nerava.example/back")
        self.bank.may_pay(link.method.account or "", yes=True, last4=last4)
        self.clock.move_to(self.now + timedelta(seconds=11))
        assert self.payouts.methods.look(self.now) >= 1
        self.clock.move_to(self.now + age - timedelta(seconds=11))
        return link.method.id, link.method.account or ""

    def merchant(self, owed: int) -> UUID:
        """Return a merchant who is owed so much and can be paid."""
        merchant_id = new_id()
        self.books.open(merchant_payable(merchant_id))
        driver_id = self.books.driver()
        self.books.open(merchant_nova(merchant_id))
        redemption_id = new_id()
        price = owed
        self.books.must(
            session_reward(SessionGrant(self.books.campaign(price), new_id(), driver_id, price)),
            redemption_show(
                redemption_id=redemption_id,
                driver_id=driver_id,
                merchant_id=merchant_id,
                price=price,
                expires_at=self.now + timedelta(minutes=10),
            ),
            redemption_capture(redemption_id=redemption_id, register_id=new_id(), price=price),
            merchant_settlement(merchant_id=merchant_id, period="2026-11", points=price, fee_bps=0),
        )
        self.method(OwnerKind.MERCHANT, merchant_id)
        return merchant_id

    def wish(self, person: Person, amount: int, **changes: Any) -> Cashout:
        """Return what a driver asks for."""
        asked: dict[str, Any] = {
            "driver_id": person.driver_id,
            "method_id": person.method_id,
            "amount_minor": amount,
            "fee_minor": FEE,
            "user_id": person.user_id,
            "session_id": person.session_id,
            "place": Client(f"of {person.user_id}", "10.0.0.0/24"),
            "actor": f"driver:{person.user_id}",
        }
        return Cashout(**(asked | changes))

    def ask(self, person: Person, amount: int = 1_000, **changes: Any) -> UUID:
        """Ask for a cash-out and return its id."""
        wish = self.wish(person, amount, **changes)
        tools = self.payouts.requesting
        return self.database.run(lambda session: request_cashout(session, tools, wish, self.now)).id

    def propose(self, *payout_ids: UUID) -> UUID:
        """Let one person of finance propose payouts; return the batch."""
        maker, _ = self.finance
        return self.database.run(
            lambda session: approving.propose(session, payout_ids, maker=maker, now=self.now)
        ).id

    def agree(self, batch_id: UUID) -> None:
        """Let the other person of finance let a batch go."""
        rules, (_, checker) = self.payouts.rules, self.finance
        self.database.run(
            lambda session: approving.approve(session, batch_id, rules, checker=checker, now=self.now)
        )

    def approve(self, *payout_ids: UUID) -> None:
        """Let two people of finance let payouts go."""
        self.agree(self.propose(*payout_ids))

    def approved(self, person: Person, amount: int = 1_000) -> UUID:
        """Return a payout that was let go."""
        payout_id = self.ask(person, amount)
        self.approve(payout_id)
        return payout_id

    def drive(self) -> int:
        """Let the worker do what is due; return how many steps it made."""
        total = 0
        while steps := self.payouts.driving.run(self.now):
            total += steps
        return total

    def state(self, payout_id: UUID) -> str:
        """Return how far a payout is."""
        return str(self.payout(payout_id).state)

    def payout(self, payout_id: UUID) -> Payout:
        """Return a payout's row."""
        return self.database.read(
            lambda session: session.scalars(select(Payout).where(Payout.id == payout_id)).one()
        )

    def evidence(self, payout_id: UUID) -> list[tuple[str, str]]:
        """Return what was told about a payout, and how, in order."""
        query = select(PayoutEvidence.source, PayoutEvidence.fact).where(
            PayoutEvidence.payout_id == payout_id
        )
        return self.database.read(
            lambda session: [
                (row.source, row.fact) for row in session.execute(query.order_by(PayoutEvidence.id))
            ]
        )

    def cases(self) -> list[str]:
        """Return the kinds of all cases, in order."""
        query = select(PayoutCase.kind).order_by(PayoutCase.id)
        return self.database.read(lambda session: list(session.scalars(query)))

    def money(self, person: Person) -> tuple[int, int, int, int]:
        """Return what the driver has, what of it is held, what is in clearing, and what has left."""
        nova = self.books.balance(driver_nova(person.driver_id))
        clearing, away = self.books.posted(PAYOUT_CLEARING, external("stripe"))
        return nova.posted, nova.debits_pending, clearing, away - self.brought

    @property
    def brought(self) -> int:
        """What came in from the outside, which the outside's account shows as negative."""
        query = (
            "SELECT coalesce(sum(t.amount), 0) FROM ledger_transfer t JOIN ledger_account a ON a.id = t.debit "
            "WHERE a.code = 'external:stripe' AND t.template = 'sponsor_deposit'"
        )
        return -self.database.read(lambda session: int(session.execute(text(query)).scalar_one()))

    def findings(self) -> list[object]:
        """Return everything that is wrong; nothing is what every test ends with."""
        mine = self.database.read(lambda session: audit(session, CHECKS), patient=True)
        return [*self.books.findings(), *mine]


def make_payouts(
    database: Database,
    ledger: Ledger,
    clock: FixedClock,
    bank: OtherBank,
    folder: Path,
    interruptions: Interruptions | None = None,
) -> Payouts:
    """Return the payouts of a process."""
    secrets = Secrets({}, clock, made_in=folder)
    return Payouts(
        database=database,
        ledger=ledger,
        clock=clock,
        limits=Limits(database, secrets),
        currency="USD",
        provider=bank,
        rules=PayoutRules(fee_minor=FEE),
        interruptions=interruptions or Interruptions(),
    )


@contextmanager
def open_till(database: Database, folder: Path) -> Iterator[Till]:
    """Open a till on a fresh database."""
    clock = FixedClock(NOON)
    bank = OtherBank(clock=clock)
    ledger = Ledger(database, clock)
    books = Books.opened(database, ledger)
    till = Till(database, clock, books, bank, make_payouts(database, ledger, clock, bank, folder), folder)
    try:
        yield till
    finally:
        till.books.ledger.close()
