"""A small town in which money goes round: a sponsor, a campaign, a driver, a merchant."""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import fact_id, new_id
from nerava.kernel.money import FeeRate, Split
from nerava.ledger import Ledger, model
from nerava.ledger.accounts import account_uuid
from nerava.ledger.chart import driver_nova, merchant_nova, merchant_payable
from nerava.ledger.templates.redemption import redemption_capture, redemption_show
from nerava.ledger.templates.redemption_refund import CapturedRedemption
from nerava.ledger.templates.session_reward import SessionGrant, session_reward
from tests.helpers.financial_helpers import Books

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from nerava.ledger import Chain, Status
    from nerava.platform.db import Database

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


class Town:
    """A sponsor with 1,000.00 deposited, a campaign of 800.00 net and 200.00 fee, a driver, a merchant."""

    def __init__(self, books: Books, clock: FixedClock) -> None:
        self.books = books
        self.clock = clock
        self.sponsor = books.sponsor(100_000)
        self.campaign = books.campaign(100_000, sponsor_id=self.sponsor, fee_bps=2_000)
        self.rate = FeeRate.of([Split(80_000, 20_000)])
        self.driver = books.driver()
        self.merchant = new_id()
        books.open(merchant_nova(self.merchant), merchant_payable(self.merchant))

    def status(self, chain: Chain) -> Status:
        """Post a chain and return its status."""
        return self.books.status(chain)

    def must(self, *chains: Chain) -> None:
        """Post chains that have to be accepted."""
        self.books.must(*chains)

    def grant(self, points: int, *, days: int | None = None, name: str = "session") -> SessionGrant:
        """Return a grant of the campaign for the driver, with its share of the fee."""
        expires_at = None if days is None else NOON + days * DAY
        share = self.rate.share(max(0, points))
        return SessionGrant(self.campaign, fact_id(name), self.driver, points, share, expires_at)

    def rewarded(self, points: int, *, days: int | None = None, name: str = "session") -> SessionGrant:
        """Post a grant and return it."""
        grant = self.grant(points, days=days, name=name)
        self.must(session_reward(grant))
        return grant

    def show(self, price: int, name: str = "code") -> UUID:
        """Show a code that is good for an hour and return its id."""
        self.must(self.code(price, name))
        return fact_id(name)

    def code(self, price: int, name: str = "code") -> Chain:
        """Return the chain that shows a code."""
        return redemption_show(
            redemption_id=fact_id(name),
            driver_id=self.driver,
            merchant_id=self.merchant,
            price=price,
            expires_at=self.clock.now() + HOUR,
        )

    def bought(self, points: int, name: str = "code") -> CapturedRedemption:
        """Show a code, capture it and return what it came to."""
        redemption_id = self.show(points, name)
        till = fact_id("till")
        self.must(redemption_capture(redemption_id=redemption_id, register_id=till, price=points))
        return CapturedRedemption(redemption_id, till, self.driver, self.merchant, points)

    @property
    def points(self) -> int:
        """What the driver has, holds left out."""
        return self.books.balance(driver_nova(self.driver)).posted

    @property
    def spendable(self) -> int:
        """What the driver can spend now."""
        return self.books.balance(driver_nova(self.driver)).available

    def lots(self) -> list[tuple[str, datetime | None, int]]:
        """Return source, expiry and rest of the driver's lots that are not used up."""
        lot = model.lot.c
        query = select(lot.source, lot.expires_at, lot.remaining).where(
            lot.account_id == account_uuid(driver_nova(self.driver)), lot.remaining > 0
        )
        found = self.books.database.read(lambda session: list(session.execute(query.order_by(lot.id))))
        return [tuple(row) for row in found]


@contextmanager
def living_town(database: Database) -> Iterator[Town]:
    """Open a town at noon; afterwards its books must be clean and its campaign add up."""
    clock = FixedClock(NOON)
    with closing(Ledger(database, clock)) as ledger:
        town = Town(Books.opened(database, ledger), clock)
        yield town
        assert town.books.findings() == []
        assert town.books.totals(town.campaign).add_up()
