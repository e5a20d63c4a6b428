"""What a session earns from many campaigns: limits, evidence, stacking, exhaustion."""

from __future__ import annotations

from datetime import time as wall
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nerava.charging.evidence import EvidencedSession
from nerava.rewards.decisions import from_document, points_of, to_json
from nerava.rewards.evaluation import History, Outcome, RunningCampaign, evaluate
from nerava.rewards.reasons import placeholders
from nerava.rewards.rules import Fixed, MinimumEnergy, MinimumMinutes, OffPeak, PerKwh
from tests.rewards.examples import (
    NOON,
    campaign_id,
    running,
    session,
    sessions,
    terms,
)
from tests.rewards.rule_examples import RULES


def outcome(
    drawn: EvidencedSession, *campaigns: RunningCampaign, history: History | None = None
) -> list[tuple[str, str, int]]:
    """Return outcome, reason and points of each campaign."""
    decisions = evaluate(drawn, campaigns, history or History())
    return [(one.outcome, one.reason, one.points) for one in decisions]


def test_earning_rules_add_up_and_a_missed_bonus_costs_nothing() -> None:
    missed = OffPeak(from_time=wall(22), until_time=wall(23), points_per_kwh=9)
    campaign = running(Fixed(points=40), PerKwh(points_per_kwh=2), missed)

    assert outcome(session(), campaign) == [("granted", "campaign.earned", 60)]


def test_one_condition_that_is_not_met_refuses_the_campaign_and_every_condition_is_told() -> None:
    campaign = running(Fixed(points=40), MinimumEnergy(energy_wh=20_000), MinimumMinutes(minutes=15))
    (decision,) = evaluate(session(), [campaign])

    assert (decision.outcome, decision.reason, decision.points) == ("refused", "rules.condition_not_met", 0)
    assert [one.code for one in decision.judgements] == [
        "minimum_energy.too_little",
        "minimum_minutes.enough",
    ]


def test_rules_that_all_give_nothing_refuse() -> None:
    assert outcome(session(energy_wh=10), running(PerKwh(points_per_kwh=1))) == [
        ("refused", "rules.nothing_earned", 0)
    ]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(timedelta(0), "granted"), (timedelta(microseconds=-1), "refused")],
)
def test_a_campaign_counts_sessions_from_its_first_instant(offset: timedelta, expected: str) -> None:
    campaign = running(starts_at=NOON, ends_at=NOON + timedelta(days=1))

    assert outcome(session(started_at=NOON + offset), campaign)[0][0] == expected


def test_a_campaign_is_over_at_its_last_instant() -> None:
    campaign = running(starts_at=NOON - timedelta(days=1), ends_at=NOON)

    assert outcome(session(), campaign) == [("refused", "campaign.outside_window", 0)]
    assert outcome(session(started_at=NOON - timedelta(microseconds=1)), campaign)[0][0] == "granted"


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (1, ("refused", "evidence.below_minimum", 0)),
        (2, ("held", "campaign.earned", 40)),
        (3, ("held", "campaign.earned", 40)),
        (4, ("granted", "campaign.earned", 40)),
        (5, ("granted", "campaign.earned", 40)),
    ],
)
def test_evidence_decides_between_refused_held_and_granted(
    level: int, expected: tuple[str, str, int]
) -> None:
    campaign = running(evidence_min=2, settle_level=4)

    assert outcome(session(evidence_level=level), campaign) == [expected]


def test_a_session_under_review_is_held_however_well_it_is_proven() -> None:
    assert outcome(session(under_review=True, evidence_level=5), running()) == [
        ("held", "campaign.earned", 40)
    ]


def test_a_score_below_the_campaigns_minimum_is_refused() -> None:
    assert outcome(session(score=59), running(score_min=60)) == [("refused", "score.below_minimum", 0)]
    assert outcome(session(score=60), running(score_min=60))[0][0] == "granted"


def test_caps_cut_what_is_above_them_and_the_tightest_one_is_named() -> None:
    campaign = running(
        Fixed(points=100), session_points_max=80, driver_day_points_max=70, driver_points_max=60
    )
    me = campaign.id

    assert outcome(session(), running(Fixed(points=100), session_points_max=80)) == [
        ("granted", "cap.session", 80)
    ]
    assert outcome(session(), campaign, history=History(day_points={me: 65})) == [
        ("granted", "cap.driver_day", 5)
    ]
    assert outcome(session(), campaign, history=History(total_points={me: 59})) == [
        ("granted", "cap.driver_total", 1)
    ]
    assert outcome(session(), campaign, history=History(day_points={me: 70})) == [
        ("refused", "cap.driver_day_reached", 0)
    ]
    assert outcome(session(), campaign, history=History(total_points={me: 60})) == [
        ("refused", "cap.driver_total_reached", 0)
    ]


def test_what_other_campaigns_gave_does_not_count_against_a_cap() -> None:
    campaign = running(Fixed(points=40), driver_day_points_max=40, driver_points_max=40)
    before = {campaign_id("other"): 40}

    assert outcome(session(), campaign, history=History(day_points=before, total_points=before)) == [
        ("granted", "campaign.earned", 40)
    ]


def test_of_a_stacking_group_the_most_points_win_and_others_stack() -> None:
    small = running(Fixed(points=10), name="small", stacking_group="g")
    large = running(Fixed(points=30), name="large", stacking_group="g")
    alone = running(Fixed(points=5), name="alone")
    decisions = evaluate(session(), [small, large, alone])

    assert [one.points for one in decisions] == [0, 30, 5]
    assert decisions[0].reason == "stacking.another_won"
    assert decisions[0].facts == {"points": 10}
    assert len(decisions[0].judgements) == 1


def test_equal_amounts_are_won_by_the_greater_priority_then_by_the_smaller_id() -> None:
    names = sorted(("x", "y"), key=campaign_id)
    first, second = (running(name=name, stacking_group="g") for name in names)
    urgent = running(name="z", stacking_group="g", priority=1)

    assert [one[2] for one in outcome(session(), second, first)] == [0, 40]
    assert [one[2] for one in outcome(session(), second, first, urgent)] == [0, 0, 40]


def test_a_campaign_that_cannot_pay_gives_way_to_the_next_best() -> None:
    best = running(Fixed(points=30), name="best", stacking_group="g")
    next_best = running(Fixed(points=20), name="next", stacking_group="g")
    last = running(Fixed(points=10), name="last", stacking_group="g")
    broke = running(Fixed(points=7), name="broke")
    asked: list[tuple[str, int]] = []

    def afford(campaign: RunningCampaign, points: int) -> bool:
        asked.append((campaign.terms.name, points))
        return points not in {30, 7}

    decisions = evaluate(session(), [last, best, next_best, broke], afford=afford)

    assert [(one.reason, one.points) for one in decisions] == [
        ("stacking.another_won", 0),
        ("campaign.exhausted", 0),
        ("campaign.earned", 20),
        ("campaign.exhausted", 0),
    ]
    assert sorted(points for _, points in asked) == [7, 20, 30]


def test_what_an_earlier_evaluation_granted_keeps_its_place_and_its_group() -> None:
    mine = running(Fixed(points=10), name="mine", stacking_group="g")
    better = running(Fixed(points=90), name="better", stacking_group="g")
    other = running(Fixed(points=5), name="other")

    assert outcome(session(), mine, better, other, history=History(granted={mine.id: 10})) == [
        ("kept", "campaign.kept", 10),
        ("refused", "stacking.another_won", 0),
        ("granted", "campaign.earned", 5),
    ]


@st.composite
def campaigns(draw: st.DrawFn) -> list[RunningCampaign]:
    rules = st.lists(st.sampled_from(RULES), max_size=4)
    cap = st.none() | st.integers(1, 60)
    return [
        running(
            Fixed(points=draw(st.integers(1, 50))),
            *draw(rules),
            name=str(number),
            stacking_group=draw(st.none() | st.sampled_from("gh")),
            priority=draw(st.integers(-1, 1)),
            evidence_min=draw(st.integers(1, 4)),
            session_points_max=draw(cap),
            driver_day_points_max=draw(cap),
            driver_points_max=draw(cap),
        )
        for number in range(draw(st.integers(0, 6)))
    ]


@given(sessions(), campaigns(), st.data())
def test_no_cap_is_exceeded_one_of_a_group_wins_and_all_reasons_can_be_read(
    drawn: EvidencedSession, offered: list[RunningCampaign], data: st.DataObject
) -> None:
    used = {one.id: data.draw(st.integers(0, 70)) for one in offered}
    history = History(day_points=used, total_points=used)
    decisions = evaluate(drawn, offered, history)

    assert decisions == evaluate(drawn, offered, history)
    winners = [one.terms.stacking_group for one, got in zip(offered, decisions, strict=True) if got.points]
    grouped = [group for group in winners if group is not None]
    assert len(grouped) == len(set(grouped))
    for campaign, decision in zip(offered, decisions, strict=True):
        rules = campaign.terms
        assert decision.campaign_id == campaign.id
        assert decision.points <= sum(one.points for one in decision.judgements)
        assert (decision.points > 0) == (decision.outcome in (Outcome.GRANTED, Outcome.HELD))
        assert decision.points <= (rules.session_points_max or 10**9)
        for most in (rules.driver_day_points_max, rules.driver_points_max):
            assert decision.points == 0 or most is None or used[campaign.id] + decision.points <= most
        assert placeholders(decision.reason) <= set(decision.facts)


@given(sessions(), campaigns())
def test_decisions_survive_their_stored_form(drawn: EvidencedSession, offered: list[RunningCampaign]) -> None:
    import orjson  # noqa: PLC0415

    decisions = evaluate(drawn, offered)

    assert from_document(orjson.loads(to_json(decisions))) == decisions
    assert points_of(decisions) == sum(one.points for one in decisions)


@given(sessions(), campaigns(), st.randoms())
def test_the_order_of_the_campaigns_changes_nothing(
    drawn: EvidencedSession,
    offered: list[RunningCampaign],
    random: st.random_module,  # type: ignore[valid-type]
) -> None:
    shuffled = list(offered)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert sorted(evaluate(drawn, offered), key=str) == sorted(evaluate(drawn, shuffled), key=str)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"ends_at": NOON - timedelta(days=20_000)},
        {"evidence_min": 0},
        {"evidence_min": 5, "settle_level": 4},
        {"fee_bps": 9_001},
        {"name": "  "},
        {"currency": "usd"},
        {"session_points_max": 0},
        {"starts_at": NOON.replace(tzinfo=None)},
        {"rules": (MinimumMinutes(minutes=15),)},
        {"rules": ()},
        {"stacking_group": "No Spaces"},
    ],
)
def test_terms_that_make_no_sense_are_refused(nonsense: dict[str, object]) -> None:
    values = terms().model_dump() | nonsense

    with pytest.raises(ValidationError):
        type(terms())(**values)
