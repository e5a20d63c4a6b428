"""Many workers on one queue: every session decided once, no cap and no budget passed, no deadlock."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import func, select

from nerava.charging import service as charging
from nerava.charging.evidence import NewEvidence
from nerava.drivers import service as drivers
from nerava.ledger.chart import campaign_budget
from nerava.platform.db import Database
from nerava.rewards.model import RewardCap, RewardDecision, RewardGrant
from nerava.rewards.rules import Fixed, PerKwh
from tests.helpers.parallel import in_parallel
from tests.rewards.house import House

WORKERS = 8


def drain(house: House, limit: int) -> int:
    """Work until nothing is left; an empty batch may only mean that others have the rest."""
    done = idle = 0
    while idle < 20:
        evaluated = house.evaluate(limit).evaluated
        settled = house.settle().looked_at
        done += evaluated
        idle = 0 if evaluated or settled else idle + 1
    return done


def counts(house: House, table: Any) -> int:
    return house.database.read(lambda session: session.scalar(select(func.count()).select_from(table)) or 0)


def test_eight_workers_decide_every_session_once_and_pass_neither_cap_nor_budget(house: House) -> None:
    small = house.campaign(Fixed(points=40), gross=160, stacking_group="g", name="small")
    capped = house.campaign(
        PerKwh(points_per_kwh=3), driver_day_points_max=100, driver_points_max=250, stacking_group="g"
    )
    people = [house.driver(f"d{number}") for number in range(6)]
    sessions = [
        house.new_session(hour=2 * number, driver_id=people[number % 6], location_id=house.location)
        for number in range(240)
    ]
    house.ingest(*sessions)

    done = in_parallel(WORKERS, lambda _: drain(house, 7))

    assert sum(done) == 240
    assert counts(house, RewardDecision) == 240
    assert house.ledger.balance(campaign_budget(small)).posted == 0
    caps = house.database.read(lambda session: session.execute(select(RewardCap.__table__)).all())
    grants = house.database.read(lambda session: session.execute(select(RewardGrant.__table__)).all())
    given: Counter[tuple[Any, str]] = Counter()
    for one in grants:
        if one.campaign_id == capped:
            given[one.driver_id, one.local_date] += one.points
            given[one.driver_id, "total"] += one.points
    assert {(row.driver_id, row.period): row.points_used for row in caps} == given
    assert max(given.values()) == 250
    assert sum(one.campaign_id == small for one in grants) == 4


def test_workers_that_evaluate_attest_and_settle_at_once_end_with_every_grant_decided(house: House) -> None:
    house.campaign(PerKwh(points_per_kwh=3), driver_points_max=10_000)
    people = [house.driver(f"d{number}") for number in range(5)]
    new = [
        house.new_session(hour=2 * number, driver_id=people[number % 5], evidence_level=2)
        for number in range(100)
    ]
    house.ingest(*new)
    ids = [house.session_id(one.reference) for one in new]

    def attest(part: int) -> int:
        better = [
            NewEvidence(
                session_id=one,
                level=4,
                source="cpo",
                reference=str(one),
                at=house.now,
                body={},
                energy_wh=9_000,
            )
            for one in ids[part::4]
        ]
        return house.database.run(lambda session: charging.attest(session, better, house.now))

    in_parallel(WORKERS, lambda number: attest(number) if number < 4 else drain(house, 9))
    drain(house, 50)

    grants = house.database.read(lambda session: session.execute(select(RewardGrant.__table__)).all())
    assert len(grants) == 100
    assert {one.state for one in grants} == {"settled"}
    assert {one.points for one in grants} == {27}
    assert {house.points(one) for one in people} == {20 * 27}
    used = house.database.read(lambda session: session.scalars(select(RewardCap.points_used)).all())
    assert list(used) == [20 * 27] * 5


def test_drivers_registered_at_once_are_one_driver_each(database: Database) -> None:
    house = House(database)
    references = [f"d{number}" for number in range(20)]

    def register(number: int) -> dict[str, Any]:
        mine = references[number:] + references[:number]
        return database.run(
            lambda session: drivers.register(session, house.ledger, mine, house.now), repeatable=True
        )

    answers = in_parallel(WORKERS, register)

    assert all(answer == answers[0] for answer in answers)
    house.close()


def test_the_same_sessions_taken_in_at_once_are_stored_once(house: House) -> None:
    sessions = [house.new_session(hour=2 * number) for number in range(50)]

    answers = in_parallel(WORKERS, lambda number: house.ingest(*sessions[number:], *sessions[:number]))

    assert sum(new for new, _ in answers) == 50
    assert all(new + known == 50 for new, known in answers)
    drain(house, 500)
    assert counts(house, RewardDecision) == 50
