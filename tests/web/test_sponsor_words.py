"""What a sponsor reads of a campaign: a sentence for every rule, every refusal, every pace, and the picture of a budget."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from nerava.rewards import reasons, rules
from nerava.rewards.rules import ALL_RULES
from nerava.web.sponsor.burn_down_chart import chart_of
from nerava.web.sponsor.pace import USED_UP, pace_of
from nerava.web.sponsor.refusal_words import REFUSALS, refusal
from nerava.web.sponsor.rule_words import in_words, rule_sentences
from nerava.web.sponsor.term_words import EVIDENCE, percent_text, promise_of
from tests.rewards.rule_examples import RULES

START = date(2026, 11, 1)
END = date(2026, 12, 31)


@pytest.mark.parametrize("kind", ALL_RULES, ids=lambda kind: str(kind.__name__))
def test_every_kind_of_rule_has_a_sentence_of_its_own(kind: type[rules.Rule]) -> None:
    assert in_words.dispatch(kind) is not in_words.dispatch(rules.Rule)


def test_the_sentences_of_all_examples_can_be_read() -> None:
    said = {in_words(one, "EUR") for one in RULES}
    assert all(re.fullmatch(r"[A-Z0-9].*\.", one) and "{" not in one for one in said), said


def test_conditions_stand_apart_from_what_is_given() -> None:
    stored = [
        {"kind": "fixed", "points": 1_200},
        {"kind": "purchase_match", "least_minor": 500},
        {
            "kind": "off_peak",
            "from_time": "22:00",
            "until_time": "06:00",
            "weekdays": [6, 7],
            "points_per_kwh": 3,
        },
    ]
    gives, conditions = rule_sentences(stored, "EUR")
    assert gives == [
        "1,200 Nova for a session.",
        "3 Nova for each kWh charged between 22:00 and 06:00 local time on Sat, Sun.",
    ]
    [bought] = conditions
    assert bought == (
        "The driver buys something for at least 5.00 EUR at a partner's till, "
        "at most 120 m and 30 minutes from the session."
    )


def test_every_reason_for_which_a_rule_or_a_campaign_refuses_has_words_of_its_own() -> None:
    folder = Path(rules.__file__).parent
    told = {
        code
        for one in folder.glob("*.py")
        for code in re.findall(r'refused\(\s*"([a-z_.]+)"', one.read_text())
    }
    assert len(told) > 20
    of_campaigns = (
        "campaign.",
        "evidence.",
        "score.",
        "rules.",
        "stacking.",
        "price.waiting",
        "grid.waiting",
    )
    told |= {one for one in reasons.TEXTS if one.startswith(of_campaigns)} - {
        "campaign.earned",
        "campaign.none",
    }
    assert told - set(REFUSALS) == set()
    assert refusal("something.new") == "something.new"


def campaign(state: str = "active") -> dict[str, Any]:
    return {"state": state, "terms": {"currency": "EUR", "ends_at": "2026-12-31T00:00:00Z"}}


def seen(state: str, **more: object) -> dict[str, Any]:
    return {"state": state, "days_seen": 5, "daily": 2_000, "exhausted_on": None} | more


@pytest.mark.parametrize(
    ("state", "budget", "forecast", "said"),
    [
        ("ended", {}, None, "Ended. Nothing is given any more."),
        ("draft", {"funded": 0}, None, "Not funded yet."),
        ("draft", {"funded": 5, "left": 5}, None, "Funded, not running yet."),
        ("active", {"funded": 5, "left": 0}, seen("too-early"), USED_UP),
        ("active", {"funded": 5, "left": 5}, seen("exhausted"), USED_UP),
        ("active", {"funded": 5, "left": 5}, seen("too-early", days_seen=1), "it needs 3 whole days, and 1 is over."),
        ("active", {"funded": 5, "left": 5}, seen("too-early", days_seen=0), "none is over yet."),
        ("active", {"funded": 5, "left": 5}, seen("nothing-spent"), "On most of the last 5 days nothing was given"),
        ("active", {"funded": 5, "left": 5}, seen("lasting"), "about 20.00 EUR a day, it lasts until the campaign ends."),
        (
            "active",
            {"funded": 5, "left": 5},
            seen("lasting", exhausted_on="2026-12-24"),
            "it lasts until 24 Dec 2026, 7 days before the campaign ends.",
        ),
    ],
)  # fmt: skip
def test_the_pace_is_a_sentence(state: str, budget: dict[str, int], forecast: object, said: str) -> None:
    assert said in pace_of(campaign(state), budget, forecast)  # type: ignore[arg-type]


def days(*left: int) -> list[dict[str, Any]]:
    funded = [100_000] + [0] * len(left)
    return [
        {"on": (START + timedelta(days=at)).isoformat(), "left": one, "funded": funded[at]}
        for at, one in enumerate(left)
    ]


def test_two_days_are_no_line() -> None:
    assert chart_of(days(5, 4), seen("too-early"), currency="EUR", ends_on=END) is None
    assert chart_of(days(0, 0, 0), seen("too-early"), currency="EUR", ends_on=END) is None


def test_the_line_starts_at_the_left_and_ends_today_and_the_forecast_reaches_the_ground() -> None:
    forecast = seen("lasting", daily=20_000, exhausted_on="2026-11-08")
    chart = chart_of(days(100_000, 80_000, 60_000, 40_000), forecast, currency="EUR", ends_on=END)
    assert chart is not None
    assert chart.actual.split() == ["0.0,0.0", "142.9,200.0", "285.7,400.0", "428.6,600.0"]
    assert chart.forecast.split() == ["428.6,600.0", "1000.0,1000.0"]
    assert chart.sentence == (
        "Of 1,000.00 EUR paid into the budget since 1 Nov 2026, 400.00 EUR were left on 4 Nov 2026; "
        "at this pace it lasts until 8 Nov 2026."
    )


def test_what_lasts_beyond_the_picture_does_not_touch_the_ground_and_nothing_is_drawn_after_the_end() -> None:
    chart = chart_of(
        days(100_000, 99_000, 98_000),
        seen("lasting", daily=1_000),
        currency="EUR",
        ends_on=START + timedelta(days=4),
    )
    assert chart is not None
    assert chart.forecast.split() == ["500.0,20.0", "1000.0,40.0"]
    assert chart.dates[-1] == (100.0, "5 Nov 2026", "end")


def test_a_line_without_a_forecast_ends_today() -> None:
    chart = chart_of(days(100, 50, 0), seen("exhausted"), currency="EUR", ends_on=END)
    assert chart is not None
    assert (chart.forecast, chart.today_percent) == ("", 100.0)
    assert chart.actual.split()[-1] == "1000.0,1000.0"


def test_shares_and_levels_of_proof_have_words() -> None:
    assert [percent_text(one) for one in (2_000, 250, 1, 0)] == ["20 %", "2.5 %", "0.01 %", "0 %"]
    assert sorted(EVIDENCE) == [1, 2, 3, 4, 5]


def test_everything_that_limits_a_campaign_is_said() -> None:
    terms = {
        "rules": [{"kind": "fixed", "points": 5}],
        "currency": "EUR",
        "session_points_max": 1_000,
        "driver_day_points_max": None,
        "driver_points_max": 3,
        "evidence_min": 2,
        "settle_level": 4,
        "settle_within_days": 1,
        "holdout_percent": 10,
        "points_expire_after_days": 30,
        "expired_points_to": "campaign",
        "stacking_group": "night",
        "fee_bps": 2_000,
    }
    promise = promise_of(terms)
    assert promise.limits == ["A session earns at most 1,000 Nova.", "A driver earns at most 3 Nova in all."]
    said = dict(promise.terms)
    assert said["Proof"].endswith("What is not proven within 1 day comes back to the budget.")
    assert said["Comparison"].startswith("10 % of drivers earn nothing")
    assert (
        said["Nova"] == "Expire 30 days after they were given. Their money then comes back to this campaign."
    )
    assert "night" in said["Together"]
    assert said["Fee"].startswith("20 %")
