"""A dry run says to the cent what a campaign then costs, and changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from nerava.charging.model import ChargingSession
from nerava.charging.queries import decisive_finding
from nerava.charging.recordings import Limits
from nerava.integrations import datasets
from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.ledger import Ledger
from nerava.migrations.tables import metadata
from nerava.platform.db import Database
from nerava.replay.run import Replay, ReplayOptions, Sorted, read_all
from nerava.replay.scenario import ALWAYS, SCENARIOS, ready
from nerava.rewards import campaigns
from nerava.rewards.decisions import from_document
from nerava.rewards.dry_run import DryRunReport
from nerava.rewards.dry_running import FOR_COMMANDS, Bounds, Question, dry_run
from nerava.rewards.errors import TooManySessions, TooSlow, UnknownCampaign
from nerava.rewards.evaluation import CampaignDecision, Outcome
from nerava.rewards.model import Campaign, RewardDecision, RewardGrant
from nerava.rewards.reasons import primary_reason
from nerava.rewards.rules import (
    FirstSessions,
    Fixed,
    MinimumEnergy,
    Multiplier,
    NewDriver,
    OffPeakBonus,
    PerKwh,
    Streak,
)
from nerava.rewards.service import evaluate_closed
from nerava.rewards.terms import CampaignTerms

CLOCK: Final = SystemClock()
WHOLE: Final = Question(*ALWAYS)
NIGHT: Final = OffPeakBonus(from_time=time(22), until_time=time(6), points=30)
DRAFTS: Final[dict[str, dict[str, Any]]] = {
    "energy, half of the drivers held out": {"rules": (PerKwh(points_per_kwh=3),), "holdout_percent": 50},
    "a bonus with a cap a day": {"rules": (Fixed(points=40), NIGHT), "driver_day_points_max": 50},
    "a welcome": {"rules": (Fixed(points=200), NewDriver(days=3)), "driver_points_max": 500},
    "first sessions": {"rules": (Fixed(points=7), FirstSessions(count=2))},
    "a streak, more for those who earned": {
        "rules": (
            Fixed(points=9),
            Streak(length=2, unit="days"),
            Multiplier(percent=150, least_tier="silver"),
        )
    },
    "a condition": {"rules": (PerKwh(points_per_kwh=2), MinimumEnergy(energy_wh=15_000)), "evidence_min": 4},
}


class Cost(NamedTuple):
    """What a campaign cost, whoever says so."""

    points: int
    fee: int
    held: int
    drivers: int
    days: dict[str, int]
    reasons: dict[str, int]
    is_exhausted: bool


@pytest.fixture
def recording() -> Sorted:
    """The built-in sample, in the order of time."""
    return read_all(datasets.read_dataset("sample", Path(), Limits(now=CLOCK.now())))


def replay(database: Database, ledger: Ledger, recording: Sorted, provisional: int = 0) -> None:
    options = ReplayOptions("sample", drivers=12, provisional_per_mille=provisional)
    Replay(database, ledger, CLOCK, options).run(recording, lambda _done: None)


def ask(database: Database, campaign: UUID, asked: Question = WHOLE) -> Cost:
    return told(database.read(lambda session: dry_run(session, campaign, asked, FOR_COMMANDS)))


def told(report: DryRunReport) -> Cost:
    return Cost(
        report.points,
        report.fee,
        report.points_held,
        report.earning.drivers,
        {on: day.points for on, day in report.days.items()},
        {code: crowd.sessions for code, crowd in report.refused.items()},
        report.exhausted_on is not None,
    )


class Decided(NamedTuple):
    """The last decision about a session, and the finding that rejected it."""

    campaigns: dict[UUID, CampaignDecision]
    rejected_for: str | None


def decided(session: Session) -> list[Decided]:
    """Return what the product decided about every session."""
    query = select(RewardDecision.session_id, RewardDecision.outcomes, ChargingSession.findings)
    joined = query.join(ChargingSession, ChargingSession.id == RewardDecision.session_id)
    rows = {row.session_id: row for row in session.execute(joined.order_by(RewardDecision.evaluation))}
    return [
        Decided({one.campaign_id: one for one in from_document(row.outcomes)}, decisive_finding(row.findings))
        for row in rows.values()
    ]


def real(session: Session, campaign: UUID, sessions: list[Decided]) -> Cost:
    """Return what a campaign really did: from grants and decisions."""
    grants = session.scalars(select(RewardGrant).where(RewardGrant.campaign_id == campaign)).all()
    standing = [one for one in grants if one.state in {"settled", "provisional"}]
    days: Counter[str] = Counter()
    for one in standing:
        days[one.local_date] += one.points
    reasons: Counter[str] = Counter()
    for campaigns_then, rejected_for in sessions:
        if rejected_for is not None:
            reasons[rejected_for] += 1
        elif campaigns_then[campaign].outcome is Outcome.REFUSED:
            reasons[primary_reason([campaigns_then[campaign]])] += 1
    return Cost(
        sum(one.points for one in standing),
        sum(one.fee_share for one in standing),
        sum(one.points for one in standing if one.state == "provisional"),
        len({one.driver_id for one in standing}),
        dict(days),
        dict(reasons),
        is_exhausted="campaign.exhausted" in reasons,
    )


def draft(database: Database, ledger: Ledger, **changes: Any) -> UUID:
    """Return a campaign that nobody has funded or activated."""
    values = {"starts_at": ALWAYS[0], "ends_at": ALWAYS[1], "name": "A draft"} | changes

    def work(session: Session) -> UUID:
        sponsor = campaigns.create_sponsor(session, ledger, name="S", currency="USD", now=CLOCK.now())
        campaigns.deposit(session, ledger, sponsor, gross=10**9, provider="bank", checkout_id=str(new_id()))
        return campaigns.create_campaign(session, ledger, sponsor, CampaignTerms(**values), CLOCK.now())

    return database.run(work)


def activate(database: Database, ledger: Ledger, campaign: UUID, gross: int) -> None:
    def work(session: Session) -> None:
        campaigns.fund_campaign(session, ledger, campaign, gross=gross, funding_id=new_id(), now=CLOCK.now())
        campaigns.activate(session, campaign)

    database.run(work)


def decide_anew(database: Database, ledger: Ledger) -> None:
    """Let every session be new again, and decide it as it would be live."""

    def forget(session: Session) -> None:
        session.execute(delete(RewardDecision))
        session.execute(update(ChargingSession).values(state="closed", score=None, evaluations=0))

    database.run(forget)
    while database.run(lambda session: evaluate_closed(session, ledger, CLOCK.now(), 50)).evaluated:
        pass


def rows(session: Session) -> dict[str, int]:
    return {
        name: session.execute(select(func.count()).select_from(table)).scalar_one()
        for name, table in metadata().tables.items()
    }


def test_a_draft_costs_what_its_dry_run_said_before_it_was_activated(
    database: Database, ledger: Ledger, recording: Sorted
) -> None:
    database.run(lambda session: ready(session, ledger, SCENARIOS[3]("USD"), CLOCK.now()))
    database.run(lambda session: session.execute(update(Campaign).values(state="ended")))
    replay(database, ledger, recording)
    ids = {name: draft(database, ledger, **changes) for name, changes in DRAFTS.items()}
    before = database.read(rows)
    gross = {name: 3_000 if number % 2 else 1_000_000 for number, name in enumerate(DRAFTS)}
    dry = {name: ask(database, one, Question(*ALWAYS, gross=gross[name])) for name, one in ids.items()}
    assert database.read(rows) == before

    # One at a time: what several give together would change who has which tier.
    for name, one in ids.items():
        activate(database, ledger, one, gross[name])
        decide_anew(database, ledger)
        done = database.read(lambda session, one=one: real(session, one, decided(session)))
        assert done.points > 0, name
        assert dry[name] == done
        database.run(lambda session, one=one: campaigns.end(session, one, CLOCK.now()))
        database.run(lambda session: session.execute(delete(RewardGrant)))


def test_every_campaign_of_a_replay_costs_in_a_dry_run_what_it_granted(
    database: Database, ledger: Ledger, recording: Sorted
) -> None:
    twenty = SCENARIOS[20]("USD")
    some = replace(twenty, plans=twenty.plans[::5])
    database.run(lambda session: ready(session, ledger, some, CLOCK.now()))
    for number, changes in enumerate(DRAFTS.values()):
        one = draft(database, ledger, stacking_group="energy" if number % 2 else None, **changes)
        activate(database, ledger, one, 2_000)
    replay(database, ledger, recording)

    ids = database.read(lambda session: session.scalars(select(Campaign.id)).all())
    sessions = database.read(decided)
    seen: Counter[str] = Counter()
    for one in ids:
        dry = ask(database, one)
        assert dry == database.read(lambda session, one=one: real(session, one, sessions))
        seen.update(dry.reasons)
    assert {"stacking.another_won", "campaign.exhausted", "campaign.holdout"} <= seen.keys()


def test_what_waits_for_proof_is_told_apart_and_counted_as_spent(
    database: Database, ledger: Ledger, recording: Sorted
) -> None:
    database.run(lambda session: ready(session, ledger, SCENARIOS[3]("USD"), CLOCK.now()))
    one = draft(database, ledger, rules=(PerKwh(points_per_kwh=3),))
    activate(database, ledger, one, 10_000_000)
    replay(database, ledger, recording, provisional=400)

    dry, done = ask(database, one), database.read(lambda session: real(session, one, decided(session)))

    assert 0 < dry.held == done.held
    assert (dry.points, dry.days) == (done.points, done.days)


def test_only_the_time_that_is_asked_for_counts(
    database: Database, ledger: Ledger, recording: Sorted
) -> None:
    database.run(lambda session: ready(session, ledger, SCENARIOS[3]("USD"), CLOCK.now()))
    replay(database, ledger, recording)
    one = draft(
        database,
        ledger,
        rules=(Fixed(points=1), NewDriver(days=1)),
        starts_at=datetime(2090, 1, 1, tzinfo=UTC),
    )
    middle = recording.sessions[len(recording.sessions) // 2].started_at

    whole = ask(database, one)
    first, second = (
        ask(database, one, Question(ALWAYS[0], middle)),
        ask(database, one, Question(middle, ALWAYS[1])),
    )

    assert 0 < second.points < first.points
    # Who is new is told by all sessions before, also by those that are not asked about.
    assert first.points + second.points == whole.points


def test_a_dry_run_has_its_bounds(database: Database, ledger: Ledger, recording: Sorted) -> None:
    database.run(lambda session: ready(session, ledger, SCENARIOS[3]("USD"), CLOCK.now()))
    replay(database, ledger, recording)
    one = draft(database, ledger, rules=(Fixed(points=1),))
    count = ask(database, one).points + sum(ask(database, one).reasons.values())

    def bounded(sessions: int, seconds: int) -> None:
        database.read(lambda session: dry_run(session, one, WHOLE, Bounds(sessions, seconds)))

    bounded(count, 60)
    with pytest.raises(TooManySessions):
        bounded(count - 1, 60)
    with pytest.raises(TooSlow):
        bounded(count, 0)
    with pytest.raises(UnknownCampaign):
        ask(database, new_id())
