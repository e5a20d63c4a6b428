"""How held rewards end: proven, reduced, rejected, or too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from nerava.charging import service as charging
from nerava.charging.errors import UnknownSession, WrongSessionState
from nerava.charging.evidence import NewEvidence
from nerava.kernel.ids import new_id
from nerava.ledger.chart import campaign_budget, driver_nova
from nerava.ledger.templates.session_reward import SessionGrant, session_reward_expire
from nerava.rewards import settlement
from nerava.rewards.model import RewardCap, RewardGrant
from nerava.rewards.rules import Fixed, MinimumEnergy, PerKwh
from tests.rewards.house import House


def attest(house: House, session: UUID, **changes: Any) -> None:
    """Bring the charge detail record of a session."""
    values: dict[str, Any] = {"level": 4, "source": "cpo", "reference": f"cdr-{new_id()}"} | changes
    evidence = NewEvidence(session_id=session, at=house.now, body={}, **values)
    house.database.run(lambda unit: charging.attest(unit, [evidence], house.now))


def held(house: House, **changes: Any) -> UUID:
    """Return a session whose reward is held, because only the car's telemetry proves it."""
    session = house.charged(evidence_level=2, **changes)
    assert house.evaluate().points_held > 0
    return session


def used(house: House) -> dict[str, int]:
    """Return what is used of the caps by period."""
    query = select(RewardCap.period, RewardCap.points_used)
    return {
        row.period: row.points_used for row in house.database.read(lambda unit: unit.execute(query).all())
    }


def test_a_provisional_reward_is_held_and_nobody_has_it_yet(house: House) -> None:
    campaign = house.campaign(fee_bps=2_000)
    session = held(house)
    budget, points = (
        house.ledger.balance(campaign_budget(campaign)),
        house.ledger.balance(driver_nova(house.driver())),
    )

    assert (budget.posted - budget.available, points.posted, points.credits_pending) == (40, 0, 40)
    assert house.explain(session).campaigns[0].grant_state == "provisional"
    assert house.money(campaign).held == 40


def test_proof_that_agrees_gives_all_of_it(house: House) -> None:
    campaign = house.campaign(fee_bps=2_000)
    session = held(house)
    attest(house, session)
    house.evaluate()
    report = house.settle()

    assert (report.looked_at, report.settled, report.points_settled) == (1, 1, 40)
    assert report.reasons == {"settlement.proven": 1}
    assert house.points(house.driver()) == 40
    assert house.grants(session)[0].state == "settled"
    money = house.money(campaign)
    assert (money.granted, money.held, money.fee_earned) == (40, 0, 10)
    assert house.settle().looked_at == 0


def test_proof_of_less_energy_reduces_it_and_gives_the_caps_back(house: House) -> None:
    campaign = house.campaign(PerKwh(points_per_kwh=3), driver_day_points_max=50, driver_points_max=100)
    session = held(house)
    assert used(house) == {"2026-03-02": 30, "total": 30}
    attest(house, session, energy_wh=4_500)
    house.evaluate()
    report = house.settle()

    assert (report.points_settled, report.points_returned) == (13, 17)
    assert report.reasons == {"settlement.reduced": 1}
    assert house.points(house.driver()) == 13
    (grant,) = house.grants(session)
    assert (grant.points, grant.points_granted, grant.settlement) == (13, 30, "settlement.reduced")
    assert used(house) == {"2026-03-02": 13, "total": 13}
    assert house.money(campaign).granted == 13


def test_proof_of_more_energy_gives_no_more_than_was_held(house: House) -> None:
    house.campaign(PerKwh(points_per_kwh=3))
    session = held(house)
    attest(house, session, energy_wh=20_000)
    house.evaluate()
    house.settle()

    assert house.grants(session)[0].points == 30


def test_proof_that_a_condition_was_not_met_gives_it_back(house: House) -> None:
    campaign = house.campaign(Fixed(points=40), MinimumEnergy(energy_wh=5_000), driver_points_max=100)
    session = held(house)
    attest(house, session, energy_wh=4_999)
    house.evaluate()
    report = house.settle()

    assert report.reasons == {"settlement.not_proven": 1}
    assert (house.grants(session)[0].state, house.grants(session)[0].points) == ("released", 0)
    assert house.points(house.driver()) == 0
    assert used(house) == {"total": 0}
    assert house.money(campaign).held == 0


def test_proof_that_nothing_was_charged_rejects_and_gives_it_back(house: House) -> None:
    house.campaign()
    session = held(house)
    attest(house, session, energy_wh=0)
    house.evaluate()

    assert house.settle().reasons == {"settlement.rejected": 1}
    assert house.grants(session)[0].state == "released"


def test_evidence_that_is_still_too_weak_lets_it_wait_for_its_deadline(house: House) -> None:
    house.campaign(settle_level=5, settle_within_days=10)
    session = held(house)
    attest(house, session)
    house.evaluate()

    assert (house.settle().looked_at, house.settle().looked_at) == (1, 0)
    assert house.grants(session)[0].state == "provisional"
    house.clock.move_to(house.now + timedelta(days=10))
    report = house.settle()
    assert report.reasons == {"settlement.deadline": 1}
    assert house.grants(session)[0].state == "released"


def test_the_deadline_releases_what_nobody_proved_and_not_an_instant_earlier(house: House) -> None:
    campaign = house.campaign(settle_within_days=10)
    session = held(house)
    deadline = house.now + timedelta(days=10)
    house.clock.move_to(deadline - timedelta(microseconds=1))
    assert house.settle().looked_at == 0
    house.clock.move_to(deadline)

    assert house.settle().released == 1
    assert house.money(campaign).left == 1_000_000
    attest(house, session)
    house.evaluate()
    assert house.settle().looked_at == 0
    assert house.explain(session).campaigns[0].code == "campaign.kept"
    assert house.points(house.driver()) == 0


def test_a_hold_that_the_ledger_expired_first_is_a_released_grant(house: House) -> None:
    house.campaign(settle_within_days=10)
    session = held(house)
    house.clock.move_to(house.now + timedelta(days=10))
    (row,) = house.database.read(lambda unit: unit.execute(select(RewardGrant.__table__)).all())
    grant = SessionGrant(
        campaign_id=row.campaign_id, session_id=session, driver_id=row.driver_id, points=40, fee_share=0
    )
    expired = session_reward_expire(grant)
    other = expired.__class__(new_id(), "hold_expiry", expired.transfers)
    assert house.books.post(other).ok

    assert house.settle().reasons == {"settlement.deadline": 1}
    assert house.grants(session)[0].state == "released"


def test_a_ledger_whose_clock_is_ahead_or_behind_ends_nothing_wrongly(house: House) -> None:
    house.campaign(settle_within_days=10)
    session = held(house)
    attest(house, session)
    house.evaluate()
    real = house.now

    def settle_as_of(at: Any) -> settlement.SettlementReport:
        return house.database.run(lambda unit: settlement.settle(unit, house.ledger, at))

    late = settle_as_of(real + timedelta(days=10))
    house.clock.move_to(real + timedelta(days=10))
    early = settle_as_of(real + timedelta(days=9))

    assert (late.looked_at, late.settled, late.released) == (1, 0, 0)
    assert (early.looked_at, early.settled, early.released) == (1, 0, 0)
    assert house.grants(session)[0].state == "provisional"
    house.clock.move_to(real)
    assert house.settle().settled == 1


def doubtful(house: House) -> UUID:
    """Return a session that a person has to look at."""
    session = house.charged(connector_id=house.connector("weak", power_w_max=3_000))
    report = house.evaluate()
    assert report.verdicts == {"doubt": 1}
    assert report.points_held == 40
    return session


def test_what_a_doubtful_session_earns_is_held_until_a_person_accepts_it(house: House) -> None:
    house.campaign(score_min=90)
    session = doubtful(house)
    assert house.settle().looked_at == 0
    house.database.run(lambda unit: settlement.resolve_review(unit, session, accepted=True, now=house.now))

    assert house.settle().reasons == {"settlement.proven": 1}
    assert house.points(house.driver()) == 40


def test_what_a_doubtful_session_earns_goes_back_when_a_person_rejects_it(house: House) -> None:
    house.campaign()
    session = doubtful(house)
    house.database.run(lambda unit: settlement.resolve_review(unit, session, accepted=False, now=house.now))

    assert house.settle().reasons == {"settlement.rejected": 1}
    assert house.points(house.driver()) == 0


def test_only_a_session_under_review_can_be_decided_by_a_person(house: House) -> None:
    session = house.charged()

    for accepted in (True, False):
        with pytest.raises(WrongSessionState):
            house.database.run(
                lambda unit, accepted=accepted: settlement.resolve_review(
                    unit, session, accepted=accepted, now=house.now
                )
            )
    with pytest.raises(UnknownSession):
        house.database.run(
            lambda unit: settlement.resolve_review(unit, new_id(), accepted=True, now=house.now)
        )
