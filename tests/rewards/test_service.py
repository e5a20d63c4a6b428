"""From closed sessions to posted rewards, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from nerava.charging import queries as charging_queries
from nerava.charging import service as charging
from nerava.charging.evidence import NewEvidence
from nerava.charging.states import SessionState
from nerava.kernel.ids import new_id
from nerava.ledger import Status
from nerava.ledger.chart import PLATFORM_FEES, campaign_budget, campaign_fee
from nerava.ledger.templates.session_reward import SessionGrant, session_reward
from nerava.rewards import campaigns
from nerava.rewards.errors import UnknownDecision
from nerava.rewards.model import RewardCap, RewardDecision, RewardGrant
from nerava.rewards.rules import Fixed, MinimumEnergy, PerKwh
from tests.rewards.house import START, House


def rows(house: House, table: Any) -> list[Any]:
    return house.database.read(lambda session: session.execute(select(table.__table__)).all())


def test_a_proven_session_earns_points_that_are_backed_and_says_why(house: House) -> None:
    alice = house.driver()
    campaign = house.campaign(PerKwh(points_per_kwh=3), MinimumEnergy(energy_wh=5_000), name="Summer")
    session = house.charged()
    report = house.evaluate()
    why = house.explain(session)

    assert (report.evaluated, report.earned, report.points_granted, report.points_held) == (1, 1, 30, 0)
    assert house.points(alice) == 30
    assert (why.verdict, why.score, why.points, why.evaluation) == ("verify", 95, 30, 1)
    (answer,) = why.campaigns
    assert (answer.name, answer.outcome, answer.points, answer.grant_state) == (
        "Summer",
        "granted",
        30,
        "settled",
    )
    assert [rule.text for rule in answer.rules] == [
        "10 kWh are at least 5 kWh.",
        "10 kWh at 3 points per kWh.",
    ]
    assert house.money(campaign).granted == 30


def test_a_session_is_decided_once_however_often_one_asks(house: House) -> None:
    house.campaign()
    house.charged()

    assert [house.evaluate().evaluated for _ in range(3)] == [1, 0, 0]
    assert house.points(house.driver()) == 40
    assert len(rows(house, RewardGrant)) == len(rows(house, RewardDecision)) == 1


def test_the_fee_is_earned_as_the_budget_is_spent(house: House) -> None:
    campaign = house.campaign(gross=160, fee_bps=2_000)
    for hour in range(0, 10, 2):
        house.charged(hour=hour)
    house.evaluate()

    assert house.books.posted(campaign_budget(campaign), campaign_fee(campaign), PLATFORM_FEES) == [8, 2, 30]
    assert house.money(campaign).fee_earned == 30


def test_a_budget_of_160_pays_40_four_times_and_is_exactly_empty(house: House) -> None:
    campaign = house.campaign(gross=160)
    sessions = [house.charged(driver_id=house.driver(f"d{number}")) for number in range(200)]
    report = house.evaluate()

    assert report.earned == 4
    assert report.reasons == {"campaign.exhausted": 196}
    assert house.ledger.balance(campaign_budget(campaign)).posted == 0
    outcomes = [house.explain(session).campaigns[0].code for session in sessions]
    assert outcomes == ["campaign.earned"] * 4 + ["campaign.exhausted"] * 196
    house.money(campaign)


def test_when_the_best_of_a_group_is_exhausted_the_next_best_pays(house: House) -> None:
    best = house.campaign(Fixed(points=50), gross=70, stacking_group="g", name="best")
    second = house.campaign(Fixed(points=30), gross=40, stacking_group="g", name="second")
    third = house.campaign(Fixed(points=10), gross=100, stacking_group="g", name="third")
    sessions = [house.charged(hour=2 * number) for number in range(3)]
    house.evaluate()

    paid = {one.campaign_id: number for number, key in enumerate(sessions) for one in house.grants(key)}
    assert paid == {best: 0, second: 1, third: 2}
    last = {answer.name: answer.code for answer in house.explain(sessions[2]).campaigns}
    assert last == {
        "best": "campaign.exhausted",
        "second": "campaign.exhausted",
        "third": "campaign.earned",
    }


def spend_first(house: House, monkeypatch: pytest.MonkeyPatch, amounts: dict[UUID, int]) -> None:
    """Stage a race: after the budgets were read and before they are locked, somebody else spends."""
    thief, real = house.driver("thief"), house.ledger.post_many
    stolen: list[UUID] = []

    def post_many(session: Any, chains: Any) -> Any:
        for campaign, points in amounts.items():
            if campaign not in stolen:
                grant = SessionGrant(
                    campaign_id=campaign, session_id=new_id(), driver_id=thief, points=points
                )
                spent = replace(session_reward(grant), template="spent_elsewhere")
                assert house.ledger.post(session, spent).status is Status.POSTED
                stolen.append(campaign)
        return real(session, chains)

    monkeypatch.setattr(house.ledger, "post_many", post_many)


def test_a_budget_that_others_emptied_between_reading_and_locking_gives_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = house.campaign(Fixed(points=50), gross=50, stacking_group="g", driver_day_points_max=50)
    second = house.campaign(Fixed(points=30), stacking_group="g", driver_day_points_max=40)
    session, later = house.charged(), house.charged(hour=2)
    victim = house.charged(hour=4, driver_id=house.driver("victim"))
    spend_first(house, monkeypatch, {best: 50})
    report = house.evaluate()

    # The later session was judged while the first still had its place, and took its part of the
    # cap; what is left of it is what the first falls back to.
    assert [(one.campaign_id, one.points) for one in house.grants(session)] == [(second, 10)]
    assert [(one.campaign_id, one.points) for one in house.grants(later)] == [(second, 30)]
    assert [one.campaign_id for one in house.grants(victim)] == [second]
    assert report.points_granted == 70
    codes = {answer.campaign_id: answer.code for answer in house.explain(session).campaigns}
    assert codes == {best: "campaign.exhausted", second: "cap.driver_day"}
    assert {(row.period == "total", row.points_used) for row in rows(house, RewardCap)} == {
        (False, 40),
        (False, 30),
    }


def test_what_a_refused_posting_would_have_used_of_a_cap_is_free_for_a_later_session(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    energy = house.campaign(PerKwh(points_per_kwh=5), gross=80, stacking_group="g", driver_day_points_max=60)
    fixed = house.campaign(Fixed(points=40), gross=40, stacking_group="g")
    large, small = house.charged(), house.charged(hour=2, energy_wh=4_000)
    spend_first(house, monkeypatch, {energy: 50, fixed: 40})
    house.evaluate()

    assert house.grants(large) == []
    assert [(one.campaign_id, one.points) for one in house.grants(small)] == [(energy, 20)]


def test_a_posting_that_the_ledger_refuses_for_another_reason_is_named_and_harms_nobody(house: House) -> None:
    broken = house.campaign(Fixed(points=50), stacking_group="g")
    whole = house.campaign(Fixed(points=30), stacking_group="g")
    house.database.run(lambda session: house.ledger.close_account(session, campaign_fee(broken)))
    house.database.run(lambda session: house.ledger.close_account(session, campaign_budget(broken)))
    session = house.charged()
    house.evaluate()

    codes = {answer.campaign_id: (answer.code, answer.text) for answer in house.explain(session).campaigns}
    assert codes[broken] == ("ledger.refused", "The ledger refused the posting: closed.")
    assert house.grants(session)[0].campaign_id == whole


def test_a_payment_that_lowers_the_fee_rate_meanwhile_is_read_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race is staged: rates are read, then a payment whose fee rounds to nothing is spent first."""
    campaign = house.campaign(Fixed(points=4), gross=5, fee_bps=2_000)
    house.charged()
    real = campaigns.fee_rates
    told: list[object] = []

    def too_high(session: Any, ids: Any) -> Any:
        rates = real(session, ids)
        told.append(rates)
        if len(told) == 1:
            return {key: rate._replace(fee=rate.fee * 2) for key, rate in rates.items()}
        return rates

    monkeypatch.setattr(campaigns, "fee_rates", too_high)
    monkeypatch.setattr("nerava.rewards.service.fee_rates", too_high)
    house.evaluate()

    assert len(told) == 2
    assert house.ledger.balance(campaign_fee(campaign)).posted == 0
    assert house.money(campaign).granted == 4


def test_a_rejected_session_earns_nothing_and_says_why(house: House) -> None:
    house.campaign()
    session = house.charged(energy_wh=0)
    report = house.evaluate()
    why = house.explain(session)

    assert report.reasons == {"session.zero_energy": 1}
    assert (why.verdict, why.score, why.points, why.campaigns) == ("reject", 0, 0, ())
    assert [(one.code, one.text, one.score_taken) for one in why.findings] == [
        ("session.zero_energy", "No energy was delivered.", 95)
    ]


def test_a_test_site_is_rejected_and_a_weak_connector_doubted(house: House) -> None:
    house.campaign()
    lab = house.charged(location_id=house.place("lab", is_test=True))
    weak = house.charged(hour=2, connector_id=house.connector("weak", power_w_max=3_000))
    unknown = house.charged(hour=4, connector_id=house.connector("unknown", None), energy_wh=40_000)
    house.evaluate()

    assert [house.explain(one).verdict for one in (lab, weak, unknown)] == ["reject", "doubt", "doubt"]
    assert house.explain(unknown).findings[0].code == "session.power_above_ac"


def test_without_campaigns_sessions_are_still_decided(house: House) -> None:
    session = house.charged()

    assert house.evaluate().reasons == {"campaign.none": 1}
    assert house.explain(session).campaigns == ()


def test_a_session_that_waits_has_no_decision(house: House) -> None:
    session = house.charged()

    with pytest.raises(UnknownDecision):
        house.explain(session)


def test_a_driver_in_two_places_is_doubted_for_the_session_that_was_known_later(house: House) -> None:
    house.campaign()
    first = house.charged()
    second = house.charged(started_at=START + timedelta(minutes=30), location_id=house.place("elsewhere"))
    house.evaluate()
    house.clock.move_to(house.now + timedelta(minutes=1))
    late = house.charged(started_at=START - timedelta(minutes=30))
    other = house.charged(driver_id=house.driver("bob"))
    house.evaluate()

    found = [[one.code for one in house.explain(key).findings] for key in (first, second, late, other)]
    assert found == [[], ["session.driver_overlap"], ["session.driver_overlap"], []]


def test_two_cars_cannot_charge_at_one_connector(house: House) -> None:
    house.campaign()
    connector = house.connector("1")
    first = house.charged(connector_id=connector, reference="a")
    second = house.charged(connector_id=connector, driver_id=house.driver("bob"), reference="b")
    house.evaluate()

    assert [one.code for one in house.explain(first).findings] == []
    assert [one.code for one in house.explain(second).findings] == ["session.connector_overlap"]


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_the_size_of_the_batches_changes_nothing(house: House, limit: int) -> None:
    house.campaign(Fixed(points=40), driver_day_points_max=100, gross=260)
    sessions = [house.charged(hour=2 * number) for number in range(4)]
    sessions += [house.charged(started_at=START + timedelta(minutes=10), driver_id=house.driver("bob"))]
    sessions += [house.charged(hour=hour, driver_id=house.driver("carol")) for hour in (1, 3)]
    while house.evaluate(limit).evaluated:
        pass

    earned = [sum(one.points for one in house.grants(key)) for key in sessions]
    assert earned == [40, 40, 20, 0, 40, 40, 40]


def test_a_daily_cap_is_of_the_local_date_and_starts_again_the_next_day(house: House) -> None:
    house.campaign(Fixed(points=40), driver_day_points_max=50)
    # 18:00 UTC is noon in Chicago: 11 hours later it is still the same day, 12 hours later the next.
    sessions = [house.charged(hour=hour) for hour in (0, 11, 12)]
    house.evaluate()

    assert [sum(one.points for one in house.grants(key)) for key in sessions] == [40, 10, 40]
    assert [house.explain(key).campaigns[0].code for key in sessions] == [
        "campaign.earned",
        "cap.driver_day",
        "campaign.earned",
    ]
    assert sorted((row.period, row.points_used) for row in rows(house, RewardCap)) == [
        ("2026-03-02", 50),
        ("2026-03-03", 40),
    ]


def test_a_total_cap_never_starts_again_and_is_each_drivers_own(house: House) -> None:
    house.campaign(Fixed(points=40), driver_points_max=60)
    mine = [house.charged(hour=hour) for hour in (0, 50, 100)]
    his = house.charged(driver_id=house.driver("bob"))
    house.evaluate()

    assert [sum(one.points for one in house.grants(key)) for key in (*mine, his)] == [40, 20, 0, 40]


def test_the_database_refuses_a_cap_that_is_passed(house: House) -> None:
    house.campaign(Fixed(points=40), driver_day_points_max=50)
    house.charged()
    house.evaluate()

    with pytest.raises(IntegrityError):
        house.database.run(lambda session: session.execute(text("UPDATE reward_cap SET points_used = 51")))


def test_a_unit_of_work_that_fails_leaves_nothing(house: House) -> None:
    campaign = house.campaign(driver_points_max=100)
    session = house.charged()

    def work(unit: Any) -> None:
        from nerava.rewards import service  # noqa: PLC0415

        service.evaluate_closed(unit, house.ledger, house.now)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        house.database.run(work)

    assert rows(house, RewardGrant) == rows(house, RewardDecision) == rows(house, RewardCap) == []
    assert house.ledger.balance(campaign_budget(campaign)).posted == 1_000_000
    assert house.evaluate().earned == 1
    assert house.grants(session)[0].points == 40


def test_points_expire_as_the_campaign_says(house: House) -> None:
    house.campaign(points_expire_after_days=30)
    session = house.charged()
    house.evaluate()
    expiry = house.database.read(
        lambda unit: unit.execute(text("SELECT expires_at FROM ledger_lot")).scalar_one()
    )
    (grant,) = rows(house, RewardGrant)

    assert grant.session_id == session
    assert grant.points_expire_at == house.now + timedelta(days=30)
    assert str(expiry)[:10] == (house.now + timedelta(days=30)).date().isoformat()


def test_better_evidence_makes_a_refused_session_earn_and_a_granted_one_keep_its_grant(house: House) -> None:
    easy = house.campaign(Fixed(points=10), evidence_min=1, settle_level=1, name="easy")
    strict = house.campaign(Fixed(points=30), evidence_min=4, name="strict")
    session = house.charged(evidence_level=2)
    house.evaluate()
    better = NewEvidence(
        session_id=session, level=4, source="cpo", reference="cdr-1", at=house.now, body={"kwh": "10"}
    )

    assert house.database.run(lambda unit: charging.attest(unit, [better], house.now)) == 1
    assert house.database.run(lambda unit: charging.attest(unit, [better], house.now)) == 0
    assert house.evaluate().evaluated == 1
    second = {one.name: (one.outcome, one.points) for one in house.explain(session).campaigns}
    assert second == {"easy": ("kept", 10), "strict": ("granted", 30)}
    assert house.explain(session).evaluation == 2
    first = {one.name: one.code for one in house.explain(session, evaluation=1).campaigns}
    assert first == {"easy": "campaign.earned", "strict": "evidence.below_minimum"}
    assert {one.campaign_id: one.points for one in house.grants(session)} == {easy: 10, strict: 30}
    levels = house.database.read(
        lambda unit: [one.level for one in charging_queries.evidence_of(unit, session)]
    )
    assert levels == [2, 4]


def test_every_grant_has_its_chain_and_every_chain_its_grant(house: House) -> None:
    house.campaign(Fixed(points=10), name="a")
    house.campaign(Fixed(points=20), settle_level=5, name="b")
    for number in range(5):
        house.charged(hour=2 * number)
    house.evaluate()
    query = text("SELECT key FROM ledger_transfer WHERE template = 'session_reward' AND position = 0")
    chains = house.database.read(lambda unit: {str(key) for key in unit.scalars(query)})

    assert chains == {str(one.transaction_key) for one in rows(house, RewardGrant)}
    assert len(chains) == 10


def test_one_grant_for_a_session_and_campaign_is_the_most_that_the_database_takes(house: House) -> None:
    house.campaign()
    house.charged()
    house.evaluate()
    (grant,) = rows(house, RewardGrant)
    again = grant._asdict() | {"id": new_id(), "transaction_key": new_id()}

    def work(session: Any) -> None:
        session.execute(RewardGrant.__table__.insert().values(again))  # type: ignore[attr-defined]

    with pytest.raises(Exception, match=r"(?i)unique|contention"):
        house.database.run(work)
    assert (
        house.database.read(lambda session: session.scalar(select(func.count()).select_from(RewardGrant)))
        == 1
    )


def test_states_of_sessions_follow_what_was_found(house: House) -> None:
    good, bad = house.charged(), house.charged(hour=2, energy_wh=0)
    house.evaluate()
    views = house.database.read(
        lambda unit: [charging_queries.session_view(unit, key) for key in (good, bad)]
    )

    assert [(view.state, view.score, view.evaluations) for view in views] == [
        (SessionState.VERIFIED, 95, 1),
        (SessionState.REJECTED, 0, 1),
    ]
