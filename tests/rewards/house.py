"""A house with sponsors, campaigns and sessions in a real database: what tests of the path begin with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from nerava.charging import ingest as charging_ingest
from nerava.charging import service as charging
from nerava.charging.evidence import NewEvidence
from nerava.charging.ingest import NewConnector, NewLocation, NewSession
from nerava.drivers import service as drivers
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.ledger import Ledger
from nerava.ledger.audit import audit
from nerava.ledger.chart import driver_nova, merchant_nova
from nerava.ledger.templates.redemption import redemption_capture, redemption_show
from nerava.platform.db import Database
from nerava.rewards import campaigns, queries, service, settlement
from nerava.rewards.budget_days import budget_report
from nerava.rewards.campaigns import CampaignMoney
from nerava.rewards.checks import CHECKS
from nerava.rewards.expiring import expire_overdue
from nerava.rewards.queries import Explanation, GrantView
from nerava.rewards.rules import AnyRule
from nerava.rewards.service import BatchReport
from nerava.rewards.settlement import SettlementReport
from nerava.rewards.taking_back import recover_owed, review_grants
from tests.helpers.financial_helpers import PROVIDER, Books
from tests.rewards.examples import terms

START = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)


class House:
    """One location, one sponsor with money, and short words for what tests do."""

    def __init__(self, database: Database, at: datetime = START + timedelta(days=1)) -> None:
        self.database = database
        self.clock = FixedClock(at)
        self.ledger = Ledger(database, self.clock)
        self.books = Books.opened(database, self.ledger)
        self.location = self.place("here")
        self.sponsor = self.run_sponsor()
        self._sessions = 0

    @property
    def now(self) -> datetime:
        """The instant that the house's clock shows."""
        return self.clock.now()

    def run_sponsor(self, gross: int = 10**9) -> UUID:
        """Return a new sponsor who has deposited."""

        def work(session: Any) -> UUID:
            sponsor = campaigns.create_sponsor(
                session, self.ledger, name="Sponsor", currency="USD", now=self.now
            )
            campaigns.deposit(
                session, self.ledger, sponsor, gross=gross, provider=PROVIDER, checkout_id=f"ch-{sponsor}"
            )
            return sponsor

        return self.database.run(work)

    def place(self, reference: str, **changes: Any) -> UUID:
        """Return a location in Chicago."""
        new = NewLocation(
            **{"source": "test", "reference": reference, "name": reference, "timezone": "America/Chicago"}
            | changes
        )
        return self.database.run(lambda session: charging_ingest.register_locations(session, [new]))[
            "test", reference
        ]

    def connector(self, evse: str, power_w_max: int | None = 50_000) -> UUID:
        """Return a connector here."""
        new = NewConnector(location_id=self.location, evse=evse, power_w_max=power_w_max)
        known = self.database.run(lambda session: charging_ingest.register_connectors(session, [new]))
        return known[self.location, evse, "1"]

    def driver(self, reference: str = "alice") -> UUID:
        """Return a driver."""
        known = self.database.run(
            lambda session: drivers.register(session, self.ledger, [reference], self.now)
        )
        return known[reference]

    def campaign(self, *rules: AnyRule, gross: int = 1_000_000, active: bool = True, **changes: Any) -> UUID:
        """Return a funded and running campaign; without rules it gives 40 points."""

        def work(session: Any) -> UUID:
            wanted = terms(*rules, **{"fee_bps": 0} | changes)
            campaign = campaigns.create_campaign(session, self.ledger, self.sponsor, wanted, self.now)
            if gross:
                campaigns.fund_campaign(
                    session, self.ledger, campaign, gross=gross, funding_id=new_id(), now=self.now
                )
            if active:
                campaigns.activate(session, campaign)
            return campaign

        return self.database.run(work)

    def new_session(self, *, hour: int = 0, **changes: Any) -> NewSession:
        """Return an hour of charging, `hour` hours after the first, with 10 kWh and a detail record."""
        self._sessions += 1
        started_at = changes.pop("started_at", START + timedelta(hours=hour))
        values: dict[str, Any] = {
            "source": "test",
            "reference": f"session-{self._sessions}",
            "driver_id": None,
            "location_id": self.location,
            "connector_id": None,
            "started_at": started_at,
            "ended_at": started_at + timedelta(hours=1),
            "energy_wh": 10_000,
        } | changes
        values["driver_id"] = values["driver_id"] or self.driver()
        return NewSession(**values)

    def charged(self, *, hour: int = 0, **changes: Any) -> UUID:
        """Return a closed session that waits for evaluation."""
        new = self.new_session(hour=hour, **changes)
        self.ingest(new)
        return self.session_id(new.reference)

    def ingest(self, *sessions: NewSession) -> tuple[int, int]:
        """Take in sessions and return how many were new and known."""
        return self.database.run(
            lambda session: charging_ingest.ingest(session, sessions, self.now), repeatable=True
        )

    def session_id(self, reference: str) -> UUID:
        """Return the id of a session by its reference."""
        from sqlalchemy import select  # noqa: PLC0415

        from nerava.charging.model import ChargingSession  # noqa: PLC0415

        query = select(ChargingSession.id).where(ChargingSession.reference == reference)
        return self.database.read(lambda session: session.scalars(query).one())

    def evaluate(self, limit: int = 500) -> BatchReport:
        """Decide one batch."""
        return self.database.run(
            lambda session: service.evaluate_closed(session, self.ledger, self.now, limit), repeatable=True
        )

    def settle(self) -> SettlementReport:
        """Look at due grants."""
        return self.database.run(
            lambda session: settlement.settle(session, self.ledger, self.now), repeatable=True
        )

    def expire(self, limit: int = 500) -> int:
        """Let what is overdue expire and return how many points that were."""
        expired, after = 0, None
        while True:
            page = self.database.run(
                lambda session, start=after: expire_overdue(  # type: ignore[misc]
                    session, self.ledger, self.now, after=start, limit=limit
                ),
                repeatable=True,
            )
            expired += page.expired
            after = page.last
            if after is None:
                return expired

    def review(self) -> int:
        """Look again at settled grants whose sessions were decided anew."""
        return review_grants(self.database, self.ledger, self.now)

    def recover(self) -> int:
        """Take what drivers owe from what they have."""
        return recover_owed(self.database, self.ledger, self.now)

    def attest(self, session_id: UUID, **changes: Any) -> int:
        """Take in a further detail record of a session, a credit unless said otherwise."""
        values: dict[str, Any] = {
            "session_id": session_id,
            "level": 4,
            "source": "test",
            "reference": f"credit-{new_id()}",
            "at": self.now,
            "body": {},
            "energy_wh": 0,
            "is_credit": True,
        } | changes
        piece = NewEvidence(**values)
        return self.database.run(lambda session: charging.attest(session, [piece], self.now))

    def show(self, driver: UUID, points: int) -> UUID:
        """Let a driver set points aside for a code, and return its redemption, merchant and register, all one id."""
        redemption = new_id()
        self.books.open(merchant_nova(redemption))
        until = self.now + timedelta(days=400)
        self.books.must(
            redemption_show(
                redemption_id=redemption,
                driver_id=driver,
                merchant_id=redemption,
                price=points,
                expires_at=until,
            )
        )
        return redemption

    def take(self, redemption: UUID, points: int) -> None:
        """Let a merchant take what was set aside."""
        taken = redemption_capture(redemption_id=redemption, register_id=redemption, price=points)
        self.books.must(taken)

    def spend(self, driver: UUID, points: int) -> UUID:
        """Let a merchant take points of a driver, and return what for."""
        redemption = self.show(driver, points)
        self.take(redemption, points)
        return redemption

    def move_on(self, **by: int) -> None:
        """Let time pass."""
        self.clock.move_to(self.now + timedelta(**by))

    def explain(self, session_id: UUID, evaluation: int | None = None) -> Explanation:
        """Return why."""
        return self.database.read(lambda session: queries.explain(session, session_id, evaluation=evaluation))

    def grants(self, session_id: UUID) -> list[GrantView]:
        """Return the grants of a session."""
        return self.database.read(lambda session: queries.grants_of_session(session, session_id))

    def points(self, driver: UUID) -> int:
        """Return what a driver holds."""
        return self.ledger.balance(driver_nova(driver)).posted

    def money(self, campaign: UUID) -> CampaignMoney:
        """Return where a campaign's money is, after checking it against the transfers alone."""
        money = self.database.read(lambda session: campaigns.campaign_money(session, campaign))
        totals = self.books.totals(campaign)
        assert totals.add_up()
        assert money.adds_up
        assert totals.funded == money.funded
        assert totals.granted == money.granted + money.owed
        view = self.database.read(lambda session: queries.campaign_view(session, campaign))
        report = self.database.read(
            lambda session: budget_report(session, campaign, ends_at=view.terms.ends_at, now=self.now)
        )
        if report.days:
            assert (report.days[-1].left, report.days[-1].held) == (money.left, money.held)
        return money

    def close(self) -> None:
        """Assert that the books are whole, which is how every test ends."""
        assert self.books.findings() == []
        assert self.database.read(lambda session: audit(session, CHECKS), patient=True) == []
        self.ledger.close()
