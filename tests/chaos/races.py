"""What two people may do to one driver, one campaign and one merchant at the same moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import fact_id
from nerava.ledger import Ledger, Status
from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PAYOUT_CLEARING,
    PLATFORM_FEES,
    account_of,
    campaign_budget,
    campaign_fee,
    driver_nova,
    merchant_nova,
    merchant_payable,
    sponsor_prepaid,
)
from nerava.ledger.reads import balance_now
from nerava.ledger.templates.campaign_funding import campaign_funding
from nerava.ledger.templates.clawback import ClawbackFrom, clawback
from nerava.ledger.templates.driver_cashout import (
    DriverCashout,
    driver_cashout_request,
    driver_cashout_submit,
)
from nerava.ledger.templates.merchant_settlement import merchant_settlement
from nerava.ledger.templates.redemption import (
    redemption_capture,
    redemption_expire,
    redemption_release,
    redemption_show,
)
from nerava.ledger.templates.session_reward import SessionGrant, StandingGrant, session_reward
from nerava.ledger.templates.sponsor_deposit import sponsor_deposit
from nerava.platform.db.errors import DRIVER_ERRORS
from tests.helpers.financial_helpers import CURRENCY, PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger import Chain
    from tests.helpers.financial_helpers import Books

BEFORE: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE: Final = BEFORE + timedelta(minutes=10)
AFTER: Final = DUE + timedelta(minutes=10)

GRANTED: Final = 150
SPENT: Final = 20
CODE: Final = 30
PRICE: Final = 60
"""Of the 100 points that the driver has available once, but not twice."""

BUDGET: Final = 250
"""Pays `GRANTED` and then one more reward of `PRICE`, but not two."""

HOUSE: Final = (NOVA_RESERVE, NOVA_ISSUANCE, PAYOUT_CLEARING, PLATFORM_FEES)


@dataclass(frozen=True, slots=True)
class Corner:
    """One driver with 130 points, 30 of them held by an open code; a campaign; a merchant with 20 points."""

    name: str

    def id(self, what: str) -> UUID:
        """Return the id of something of this corner."""
        return fact_id(f"{self.name}:{what}")

    @property
    def first_grant(self) -> SessionGrant:
        """The reward that the driver's points come from."""
        return SessionGrant(self.id("campaign"), self.id("session"), self.id("driver"), GRANTED, fee_share=15)

    @property
    def codes(self) -> list[str]:
        """The accounts of this corner."""
        campaign, merchant = self.id("campaign"), self.id("merchant")
        return [
            driver_nova(self.id("driver")),
            merchant_nova(merchant),
            merchant_payable(merchant),
            campaign_budget(campaign),
            campaign_fee(campaign),
            sponsor_prepaid(self.id("sponsor")),
        ]

    def beginnings(self) -> list[Chain]:
        """Return the chains that bring the corner to where its races start."""
        sponsor = self.id("sponsor")
        return [
            sponsor_deposit(checkout_id=self.name, sponsor_id=sponsor, provider=PROVIDER, gross=BUDGET + 25),
            campaign_funding(
                funding_id=self.id("funding"),
                sponsor_id=sponsor,
                campaign_id=self.id("campaign"),
                gross=BUDGET + 25,
                fee_bps=1_000,
            ),
            session_reward(self.first_grant),
            self.show("earlier", SPENT),
            self.take("earlier", "till", SPENT),
            self.show("open", CODE),
        ]

    def show(self, code: str, price: int) -> Chain:
        """Hold points for a code that is due at `DUE`."""
        return redemption_show(
            redemption_id=self.id(code),
            driver_id=self.id("driver"),
            merchant_id=self.id("merchant"),
            price=price,
            expires_at=DUE,
        )

    def take(self, code: str, register: str, price: int) -> Chain:
        """Take the points of a code at a register."""
        return redemption_capture(redemption_id=self.id(code), register_id=self.id(register), price=price)


def set_up(books: Books, corners: Sequence[Corner]) -> None:
    """Open corners, all in one transaction."""
    ledger = Ledger(books.database, FixedClock(BEFORE - timedelta(hours=1)))

    def work(session: Session) -> None:
        ledger.open(session, [account_of(code, CURRENCY) for corner in corners for code in corner.codes])
        verdicts = ledger.post_many(session, [one for corner in corners for one in corner.beginnings()])
        if {verdict.status for verdict in verdicts} != {Status.POSTED}:
            raise AssertionError("a corner could not be set up")

    books.database.run(work)


class Act:
    """What one person does in a corner: a unit of work that returns what it was told.

    `who` tells apart two people who do the same.
    """

    def __init__(self, books: Books, corner: Corner, who: str) -> None:
        self._database = books.database
        self._in_time = Ledger(books.database, FixedClock(BEFORE))
        self._too_late = Ledger(books.database, FixedClock(AFTER))
        self._corner = corner
        self._who = who

    def run(self, kind: str) -> object:
        """Run one of `KINDS` as a unit of work."""
        work: Callable[[Session], object] = getattr(self, f"_{kind}")
        try:
            return self._database.run(work, repeatable=True)
        except DRIVER_ERRORS as error:  # No serial order is answered so; the schedule counts as bad.
            return f"refused: {error}"

    def _mine(self, what: str) -> UUID:
        return self._corner.id(f"{self._who}:{what}")

    def _grant(self, session: Session) -> object:
        reward = SessionGrant(
            self._corner.id("campaign"), self._mine("session"), self._corner.id("driver"), PRICE, 6
        )
        return self._in_time.post(session, session_reward(reward)).status

    def _redeem(self, session: Session) -> object:
        code = f"{self._who}:code"
        shown = self._in_time.post(session, self._corner.show(code, PRICE))
        if not shown.ok:
            return shown.status
        return self._in_time.post(session, self._corner.take(code, f"{self._who}:till", PRICE)).status

    def _reserve(self, session: Session) -> object:
        return self._in_time.post(session, self._corner.show(f"{self._who}:code", PRICE)).status

    def _capture(self, session: Session) -> object:
        return self._in_time.post(session, self._corner.take("open", f"{self._who}:till", CODE)).status

    def _release(self, session: Session) -> object:
        return self._in_time.post(session, redemption_release(redemption_id=self._corner.id("open"))).status

    def _expire(self, session: Session) -> object:
        return self._too_late.post(session, redemption_expire(redemption_id=self._corner.id("open"))).status

    def _payout(self, session: Session) -> object:
        cashout = DriverCashout(self._mine("payout"), self._corner.id("driver"), PRICE - 5, fee=5)
        requested = self._in_time.post(session, driver_cashout_request(cashout))
        if not requested.ok:
            return requested.status
        return self._in_time.post(session, driver_cashout_submit(cashout)).status

    def _clawback(self, session: Session) -> object:
        """Take back the whole reward as far as the driver has it; look again if somebody was faster."""
        driver = self._corner.id("driver")
        grant = StandingGrant(self._corner.id("campaign"), GRANTED, fee_share=15)
        while True:
            available = balance_now(session, driver_nova(driver)).available
            source = ClawbackFrom(driver, self._corner.first_grant.lot_key, available)
            taking = clawback(clawback_id=self._mine("clawback"), grant=grant, source=source, points=GRANTED)
            if taking.chain is None:
                return "nothing", taking.receivable
            status = self._in_time.post(session, taking.chain).status
            if status is not Status.INSUFFICIENT:
                return status, taking.taken

    def _fee(self, session: Session) -> object:
        """Settle what the merchant has; the platform's fee comes with it."""
        merchant = self._corner.id("merchant")
        while True:
            points = balance_now(session, merchant_nova(merchant)).posted
            settlement = merchant_settlement(
                merchant_id=merchant, period=f"2026-03-{self._who}", points=points
            )
            if points == 0:
                return "nothing"
            status = self._in_time.post(session, settlement).status
            if status is not Status.INSUFFICIENT:
                return status, points


KINDS: Final = ("grant", "redeem", "reserve", "capture", "release", "payout", "clawback", "fee", "expire")

_BALANCES: Final = """
SELECT a.code, b.credits_posted - b.debits_posted, b.credits_posted - b.debits_posted - b.debits_pending,
       b.credits_pending
FROM ledger_balance b JOIN ledger_account a ON a.id = b.account_id WHERE a.code IN (SELECT code FROM wanted)
"""

State = tuple[tuple[int, int, int], ...]
"""What accounts hold, always in the same order: posted, available, and what is to come."""


def state_of(books: Books, corner: Corner) -> State:
    """Return what the accounts of a corner and of the house hold."""
    codes = [*corner.codes, *HOUSE]
    names = {f"c{number}": code for number, code in enumerate(codes)}
    listed = " UNION ALL ".join(f"SELECT :{name} AS code" for name in names)
    query = text(f"WITH wanted AS ({listed}) {_BALANCES}")
    held = {
        code: tuple(rest)
        for code, *rest in books.database.read(lambda session: session.execute(query, names).all())
    }
    return tuple(held[code] for code in codes)
