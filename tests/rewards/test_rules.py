"""Every earning rule: a table of examples, and what all rules have in common."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nerava.charging.evidence import EvidencedSession, SessionPrice
from nerava.rewards.past import Past
from nerava.rewards.reasons import TEXTS, placeholders, sentence
from nerava.rewards.rules import (
    ALL_RULES,
    Answer,
    AnyRule,
    Judgement,
    OffPeak,
    PastRule,
    PercentOfPrice,
    read_rules,
)
from nerava.rewards.rules.base import POINTS_MAX
from tests.rewards.examples import pasts, session, sessions
from tests.rewards.rule_examples import EXAMPLES, PAST_EXAMPLES, RULES, answer_of


@pytest.mark.parametrize(("rule", "example", "answer", "code", "points"), EXAMPLES)
def test_a_rule_answers_as_its_table_says(
    rule: AnyRule, example: EvidencedSession, answer: Answer, code: str, points: int
) -> None:
    judgement = rule.judge(example)

    assert (judgement.answer, judgement.code, judgement.points) == (answer, code, points)


@pytest.mark.parametrize(("rule", "past", "answer", "code", "points"), PAST_EXAMPLES)
def test_a_rule_that_asks_the_past_answers_as_its_table_says(
    rule: AnyRule, past: Past, answer: Answer, code: str, points: int
) -> None:
    judgement = answer_of(rule, session(), past)

    assert (judgement.answer, judgement.code, judgement.points) == (answer, code, points)


@given(st.sampled_from(RULES), sessions())
def test_a_rule_says_what_it_promises_and_a_session_of_the_whole_energy_earns_no_more(
    rule: AnyRule, drawn: EvidencedSession
) -> None:
    assert rule.promise
    assert "{" not in rule.promise
    if not isinstance(rule, PastRule):
        assert rule.judge(drawn).points <= rule.promised_points(drawn.energy_wh)


def test_every_rule_and_every_sentence_of_a_rule_stands_in_the_table() -> None:
    codes = {code for _, _, _, code, _ in EXAMPLES} | {code for _, _, _, code, _ in PAST_EXAMPLES}
    prefixes = {code.partition(".")[0] for code in codes}

    assert {type(rule) for rule in RULES} == set(ALL_RULES)
    assert {code for code in TEXTS if code.partition(".")[0] in prefixes} == codes


@given(st.sampled_from(RULES), sessions(), pasts())
def test_a_rule_is_deterministic_never_negative_and_always_gives_a_readable_reason(
    rule: AnyRule, drawn: EvidencedSession, past: Past
) -> None:
    judgement = answer_of(rule, drawn, past)

    assert answer_of(rule, drawn, past) == judgement
    assert type(judgement) is Judgement
    assert type(judgement.points) is int
    assert (judgement.points > 0) == (judgement.answer is Answer.EARNED)
    assert placeholders(judgement.code) <= set(judgement.facts)
    assert "{" not in sentence(judgement.code, judgement.facts)


@given(st.sampled_from(RULES), sessions(), pasts())
def test_a_rule_survives_json(rule: AnyRule, drawn: EvidencedSession, past: Past) -> None:
    (again,) = read_rules([rule.model_dump(mode="json")])

    assert again == rule
    assert answer_of(again, drawn, past) == answer_of(rule, drawn, past)


@given(st.sampled_from(RULES), sessions(), pasts())
def test_conditions_give_no_points_and_earning_rules_never_only_pass(
    rule: AnyRule, drawn: EvidencedSession, past: Past
) -> None:
    answer = answer_of(rule, drawn, past).answer

    assert answer is not (Answer.EARNED if rule.is_condition else Answer.PASSED)


@given(sessions(), st.integers(1, 10_000))
def test_off_peak_never_pays_for_more_energy_than_was_delivered(drawn: EvidencedSession, rate: int) -> None:
    inside = OffPeak(points_per_kwh=rate, from_time=time(22), until_time=time(6)).judge(drawn).points
    outside = OffPeak(points_per_kwh=rate, from_time=time(6), until_time=time(22)).judge(drawn).points

    assert inside + outside <= drawn.energy_wh * rate // 1_000


@pytest.mark.parametrize(
    "nonsense",
    [
        {"kind": "fixed", "points": 0},
        {"kind": "fixed", "points": -1},
        {"kind": "fixed", "points": 10**7},
        {"kind": "fixed", "points": 1.5},
        {"kind": "fixed", "points": 1, "more": 1},
        {"kind": "per_kwh", "points_per_kwh": 0},
        {"kind": "off_peak", "from_time": "22:00", "until_time": "24:01", "points_per_kwh": 1},
        {"kind": "off_peak", "from_time": "22:00:01", "until_time": "06:00", "points_per_kwh": 1},
        {"kind": "off_peak", "from_time": "22:00+01:00", "until_time": "06:00", "points_per_kwh": 1},
        {
            "kind": "off_peak",
            "from_time": "22:00",
            "until_time": "06:00",
            "points_per_kwh": 1,
            "weekdays": [],
        },
        {
            "kind": "off_peak",
            "from_time": "22:00",
            "until_time": "06:00",
            "points_per_kwh": 1,
            "weekdays": [0],
        },
        {
            "kind": "off_peak",
            "from_time": "22:00",
            "until_time": "06:00",
            "points_per_kwh": 1,
            "weekdays": [1, 1],
        },
        {"kind": "percent_of_price", "price_bps": 0, "points_max": 1},
        {"kind": "percent_of_price", "price_bps": 10_001, "points_max": 1},
        {"kind": "percent_of_price", "price_bps": 2.5, "points_max": 1},
        {"kind": "percent_of_price", "price_bps": 1},
        {"kind": "percent_of_price", "price_bps": 1, "points_max": 0},
        {"kind": "percent_of_price", "price_bps": 1, "points_max": 1, "currency": "usd"},
        {"kind": "grid_carbon", "below_g_per_kwh": 0, "points_per_kwh": 1},
        {"kind": "grid_carbon", "below_g_per_kwh": 2_001, "points_per_kwh": 1},
        {"kind": "grid_carbon", "below_g_per_kwh": 1, "points_per_kwh": 1, "signal": "both"},
        {"kind": "tariff_period", "utility": "u", "tariff": "t", "periods": [], "points_per_kwh": 1},
        {"kind": "tariff_period", "utility": "u", "tariff": "t", "periods": [-1], "points_per_kwh": 1},
        {"kind": "tariff_period", "utility": " ", "tariff": "t", "periods": [0], "points_per_kwh": 1},
        {"kind": "connector_power"},
        {"kind": "connector_power", "least_w": 10, "most_w": 9},
        {"kind": "locations", "location_ids": []},
        {"kind": "magic"},
        {"kind": "networks", "sources": []},
        {"kind": "networks", "sources": [""]},
        {"kind": "zone", "corners": [[0, 0], [0, 1]]},
        {"kind": "zone", "corners": [[0, 0], [1, 1], [2, 2]]},
        {"kind": "zone", "corners": [[0, 0], [0, 1], [1, 1], [0, 0]]},
        {"kind": "zone", "corners": [[0, 0], [0, 181], [1, 1]]},
        {"kind": "zone", "corners": [[0, -170], [0, 170], [1, 170]]},
        {"kind": "zone", "corners": [[91, 0], [0, 1], [1, 1]]},
        {"kind": "zone", "corners": [["nan", 0], [0, 1], [1, 1]]},
        {"kind": "first_sessions", "count": 0},
        {"kind": "new_driver", "days": 0},
        {"kind": "new_driver", "days": 367},
        {"kind": "streak", "length": 1},
        {"kind": "streak", "length": 53},
        {"kind": "streak", "length": 3, "unit": "months"},
        {"kind": "purchase_match", "within_minutes": 121},
        {"kind": "purchase_match", "within_m": 0},
        {"kind": "purchase_match", "least_minor": 0},
        {"kind": "tier", "least": "bronze"},
        {"kind": "tier", "least": "tin"},
        {"kind": "multiplier", "percent": 100},
        {"kind": "multiplier", "percent": 1_001},
        {"kind": "multiplier", "percent": 150, "least_tier": "tin"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(nonsense: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read_rules([nonsense])


def test_numbers_are_read_as_people_write_them() -> None:
    assert sentence("minimum_energy.enough", {"energy_wh": 7_430, "least_wh": 500}) == (
        "7.43 kWh are at least 0.5 kWh."
    )
    assert sentence("connector_power.right", {"power_w": 22_000}) == "The connector delivers up to 22 kW."


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1_239, "USD", "12.39 USD"),
        (7, "EUR", "0.07 EUR"),
        (0, "EUR", "0.00 EUR"),
        (500, "JPY", "500 JPY"),
        (1_005, "KWD", "1.005 KWD"),
    ],
)
def test_a_price_is_written_with_the_decimals_of_its_currency(minor: int, currency: str, text: str) -> None:
    rule = PercentOfPrice(price_bps=1_000, points_max=POINTS_MAX, currency=currency)

    judgement = rule.judge(session(price=SessionPrice(minor, currency)))

    assert judgement.facts["price"] == text
    assert rule.promise.startswith("10 % of what the operator's record says it cost")


def test_a_code_from_a_later_version_is_shown_as_it_is() -> None:
    assert sentence("weather.sunny", {"sun": 1}) == "weather.sunny"
