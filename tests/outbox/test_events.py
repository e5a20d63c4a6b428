"""What happened is told once, in order, and only if it happened (R28)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from nerava.charging.model import ChargingSession
from nerava.kernel.ids import new_id
from nerava.outbox.catalogue import EVENTS, TOLD, CampaignEvent, RewardEvent, SessionEvent
from nerava.outbox.consumers import KEPT, KEPT_AT_MOST, LEASE, events_after, move_on, remove_old, take_turn
from nerava.outbox.model import OutboxEvent
from nerava.outbox.publishing import give_positions, publish
from nerava.platform.db import Database
from nerava.rewards.model import RewardGrant
from nerava.rewards.rules import Fixed
from tests.rewards.house import House


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    """A house on both databases."""
    opened = House(database)
    yield opened
    opened.ledger.close()


NOW = datetime(2026, 3, 3, 18, tzinfo=UTC)


def verified(session_id: UUID | None = None, reference: str = "one") -> SessionEvent:
    return SessionEvent(state="verified", session_id=session_id or new_id(), reference=reference)


def count(database: Database) -> int:
    counted = select(func.count()).select_from(OutboxEvent)
    return database.read(lambda session: session.scalar(counted)) or 0


def told(database: Database, after: int = 0) -> list[str]:
    return database.read(
        lambda session: [str(one.data["reference"]) for one in events_after(session, after, 100)]
    )


def test_the_catalogue_names_every_type_once() -> None:
    every = [name for kind in EVENTS for name in kind.types()]
    assert len(every) == len(set(every))
    assert "payout.paid" in TOLD
    assert "consent.given" in every
    assert "consent.given" not in TOLD


def test_what_an_event_tells_names_nobody_it_concerns() -> None:
    event = RewardEvent(
        state="granted", session_id=new_id(), campaign_id=new_id(), points=4, driver_id=new_id()
    )
    assert set(event.model_dump(mode="json")) == {"state", "session_id", "campaign_id", "points"}


def test_an_abort_tells_nothing_and_a_commit_tells_once(database: Database) -> None:
    def aborted(session: Session) -> None:
        publish(session, [verified()], NOW)
        raise LookupError

    with pytest.raises(LookupError):
        database.run(aborted)
    assert count(database) == 0
    database.run(lambda session: publish(session, [verified(), verified()], NOW))
    assert count(database) == 2


def test_a_fact_with_many_causes_is_told_once(database: Database) -> None:
    campaign = new_id()
    event = CampaignEvent(state="exhausted", campaign_id=campaign, once=f"{campaign}:1")
    for _ in range(3):
        database.run(lambda session: publish(session, [event], NOW))
    database.run(lambda session: publish(session, [event.model_copy(update={"once": "x"})], NOW))
    assert count(database) == 2


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # On SQLite one transaction writes at a time.
def test_a_reader_misses_no_transaction_that_took_longer_than_a_later_one(database: Database) -> None:
    def slow(session: Session) -> None:
        publish(session, [verified(reference="slow")], NOW)
        database.run(lambda inner: publish(inner, [verified(reference="quick")], NOW))
        assert database.run(give_positions) == 1
        assert told(database) == ["quick"]

    database.run(slow)
    assert told(database) == ["quick"]
    assert database.run(give_positions) == 1
    assert told(database) == ["quick", "slow"]
    assert told(database, after=1) == ["slow"]


def test_events_of_one_subject_keep_their_order_and_positions_have_no_gaps(database: Database) -> None:
    subject = new_id()
    for number in range(7):
        database.run(lambda session, n=number: publish(session, [verified(subject, str(n))], NOW))  # type: ignore[misc]
        if number % 3 == 0:
            database.run(lambda session: give_positions(session, limit=2))
    while database.run(lambda session: give_positions(session, limit=2)):
        pass
    assert told(database) == [str(number) for number in range(7)]
    positions = database.read(lambda session: [one.position for one in events_after(session, 0, 100)])
    assert positions == list(range(1, 8))


def test_a_reader_goes_on_where_it_was_and_whoever_was_overtaken_writes_nothing(database: Database) -> None:
    def turn(name: str = "crm", at: Any = NOW) -> Any:
        return database.run(lambda session: take_turn(session, name, at))

    slept = turn()
    assert turn() is None
    assert turn("other").position == 0
    later = NOW + LEASE
    took_over = turn(at=later)
    assert database.run(lambda session: move_on(session, slept, 9, later)) is False
    assert database.run(lambda session: move_on(session, took_over, 5, later + LEASE, trouble="full")) is True
    assert turn(at=later) is None
    assert turn(at=later + LEASE).position == 5


def test_events_are_kept_until_they_are_read_but_not_for_ever(database: Database) -> None:
    database.run(lambda session: publish(session, [verified(), verified()], NOW))
    database.run(give_positions)
    reading = database.run(lambda session: take_turn(session, "crm", NOW))
    assert reading is not None
    database.run(lambda session: move_on(session, reading, 1, NOW))

    def removed(after: timedelta, *readers: str) -> int:
        return database.run(lambda session: remove_old(session, readers, NOW + after))

    assert removed(KEPT - timedelta(seconds=1), "crm") == 0
    assert removed(KEPT, "crm") == 1
    assert removed(KEPT_AT_MOST, "crm") == 1


def test_rewards_and_sessions_are_told_one_to_one(house: House) -> None:
    campaign = house.campaign(Fixed(points=40), gross=100)
    for hour in range(4):
        house.charged(hour=hour, driver_id=house.driver(f"driver-{hour}"))
    house.evaluate()
    house.database.run(give_positions)

    def seen(session: Session) -> Any:
        return events_after(session, 0, 100), [
            session.scalars(select(table)).all() for table in (ChargingSession, RewardGrant)
        ]

    events, (sessions, grants) = house.database.read(seen)
    of_sessions = [one for one in events if one.type == "charging_session.verified"]
    assert {one.subject_id for one in of_sessions} == {one.id for one in sessions}
    assert len(of_sessions) == 4
    given = [one for one in events if one.type == "reward.granted"]
    assert {(one.subject_id, one.data["points"]) for one in given} == {
        (one.session_id, one.points) for one in grants
    }
    assert len(given) == len(grants) == 2
    assert {one.sponsor_id for one in given} == {house.sponsor}
    exhausted = [one.subject_id for one in events if one.type == "campaign.exhausted"]
    assert exhausted == [campaign]
