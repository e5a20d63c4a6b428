"""A campaign is drafted on one page, from an example or from nothing; what is wrong is said where it was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nerava.kernel.geography import Point, metres_between
from nerava.kernel.ids import new_id
from nerava.web.site.forms import Form
from nerava.web.sponsor.draft_rules import rules_of
from tests.http.flows import terms
from tests.web.browser import text_of
from tests.web.test_sponsor_campaigns import NONSENSE, people

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House
    from tests.web.browser import Browser

NEW = "/sponsor/campaigns/new"


def only(owner: Caller) -> dict[str, Any]:
    """Return the one campaign there is."""
    [found] = owner.get("/v1/campaigns").json()["items"]
    one: dict[str, Any] = found
    return one


def drawn(browser: Browser, example: int = 1) -> dict[str, str]:
    """Return the fields of the form as an example fills them in."""
    [form] = [one for one in browser.forms(f"{NEW}?example={example}") if one.action == NEW]
    return form.fields


@pytest.mark.parametrize("example", [0, 1, 2])
def test_an_example_is_drafted_as_the_api_gives_it(sqlite_house: House, example: int) -> None:
    owner, browser = people(sqlite_house)
    answer = browser.post(NEW, drawn(browser, example))
    assert answer.status_code == 303, answer.text
    given = owner.get("/v1/campaign-examples").json()["items"][example]
    found = only(owner)["terms"]
    assert {name: found[name] for name in given} == given
    said = text_of(browser.get(answer.headers["location"]).text)
    assert "Kept as a draft." in said
    assert "What it would have cost" in said


def test_everything_that_can_be_typed_arrives(sqlite_house: House) -> None:
    owner, browser = people(sqlite_house)
    typed = {
        "name": "Night in town",
        "starts_on": "2027-01-01",
        "ends_on": "2027-01-31",
        "fixed_points": "",
        "per_kwh_points_per_kwh": "2",
        "off_peak_points_per_kwh": "3",
        "off_peak_from_time": "22:00",
        "off_peak_until_time": "06:00",
        "off_peak_bonus_points": "25",
        "off_peak_bonus_share_percent_min": "60",
        "off_peak_bonus_from_time": "23:00",
        "off_peak_bonus_until_time": "05:00",
        "minimum_energy_energy_wh": "7,5",
        "minimum_minutes_minutes": "15",
        "connector_power_least_w": "50",
        "first_sessions_count": "3",
        "new_driver_days": "30",
        "place": "60.1717, 24.9391",
        "place_radius_m": "500",
        "purchase_match": "on",
        "purchase_match_within_minutes": "20",
        "purchase_match_within_m": "100",
        "purchase_match_least_minor": "2.50",
        "session_points_max": "400",
        "driver_day_points_max": "500",
        "driver_points_max": "600",
        "holdout_percent": "10",
        "evidence_min": "2",
        "settle_level": "4",
        "settle_within_days": "20",
        "points_expire_after_days": "365",
        "expired_points_to": "campaign",
        "budget": "1000",
    }
    form = drawn(browser)
    assert set(typed) <= set(form)
    answer = browser.post(NEW, {**form, **typed})
    assert answer.status_code == 303, answer.text
    assert "budget=1000" in answer.headers["location"]
    found = only(owner)["terms"]
    assert (found["starts_at"], found["ends_at"]) == ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z")
    assert (found["holdout_percent"], found["settle_within_days"], found["expired_points_to"]) == (
        10,
        20,
        "campaign",
    )
    assert [found[name] for name in ("session_points_max", "driver_day_points_max", "driver_points_max")] == [
        400,
        500,
        600,
    ]
    rules = {one["kind"]: one for one in found["rules"]}
    assert rules["minimum_energy"]["energy_wh"] == 7_500
    assert rules["connector_power"]["least_w"] == 50_000
    assert rules["purchase_match"] == {
        "kind": "purchase_match",
        "within_minutes": 20,
        "within_m": 100,
        "least_minor": 250,
    }
    assert rules["off_peak_bonus"]["share_percent_min"] == 60
    assert len(rules["zone"]["corners"]) == 24
    assert "fixed" not in rules
    fund = browser.get(answer.headers["location"]).text
    assert f"/sponsor/campaigns/{only(owner)['id']}/fund?amount=1000" in fund


def test_a_circle_on_the_map_is_as_wide_as_it_is_tall() -> None:
    [_, zone] = rules_of(
        Form({"fixed_points": "1", "place": "60.1717, 24.9391", "place_radius_m": "500"}), "EUR"
    )
    away = [metres_between(Point(60.1717, 24.9391), Point(*corner)) for corner in zone["corners"]]
    assert min(away) > 495
    assert max(away) < 505


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        *(("fixed_points", one) for one in (*NONSENSE[:6], "99999999999", "NaN")),
        *(("holdout_percent", one) for one in ("51", "-1", "1.5", "", "many")),
        *(("ends_on", one) for one in ("2020-01-01", "2027-02-30", "soon", "", "0001-01-01")),
        ("name", ""),
        ("name", "A\u202eB"),
        ("name", "A" * 121),
        ("minimum_energy_energy_wh", "-1"),
        ("minimum_energy_energy_wh", "0"),
        ("minimum_energy_energy_wh", "99999"),
        ("minimum_minutes_minutes", "9999"),
        ("place", "Helsinki"),
        ("place", "91, 0"),
        ("settle_within_days", "0"),
        ("session_points_max", "0"),
        ("points_expire_after_days", "99999"),
        ("budget", "all of it"),
        ("first_sessions_count", "0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_at_its_field_and_keeps_what_was_typed(
    sqlite_house: House, field: str, typed: str
) -> None:
    owner, browser = people(sqlite_house)
    answer = browser.post(NEW, {**drawn(browser), "driver_points_max": "777", field: typed})
    assert answer.status_code == 422, answer.text
    assert f'id="w-{field}"' in answer.text, text_of(answer.text)[:600]
    assert 'value="777"' in answer.text
    assert owner.get("/v1/campaigns").json()["items"] == []


def test_conditions_alone_are_refused_where_something_could_be_given(sqlite_house: House) -> None:
    _, browser = people(sqlite_house)
    answer = browser.post(NEW, {**drawn(browser), "fixed_points": "", "minimum_minutes_minutes": "5"})
    assert answer.status_code == 422
    assert 'id="w-fixed_points"' in answer.text


def test_a_bonus_without_its_hours_says_which_are_missing(sqlite_house: House) -> None:
    _, browser = people(sqlite_house)
    answer = browser.post(NEW, {**drawn(browser), "off_peak_points_per_kwh": "5"})
    assert answer.status_code == 422
    assert 'id="w-off_peak_from_time"' in answer.text


def test_proof_that_is_weaker_at_the_end_than_at_the_beginning_is_refused_in_words(
    sqlite_house: House,
) -> None:
    _, browser = people(sqlite_house)
    answer = browser.post(NEW, {**drawn(browser), "evidence_min": "5", "settle_level": "1"})
    assert answer.status_code == 422
    assert "the settling evidence must not be weaker" in text_of(answer.text)


def test_a_form_that_is_sent_twice_is_one_draft(house: House) -> None:
    owner, browser = people(house)
    fields = drawn(browser)
    first, second = browser.post(NEW, fields), browser.post(NEW, fields)
    assert first.headers["location"] == second.headers["location"]
    assert only(owner)["state"] == "draft"


def test_what_was_typed_is_shown_again_as_it_was_written(sqlite_house: House) -> None:
    _, browser = people(sqlite_house)
    answer = browser.post(NEW, {**drawn(browser), "name": '"><script>x</script>', "holdout_percent": "99"})
    assert answer.status_code == 422
    assert "<script>x" not in answer.text


@pytest.mark.parametrize("budget", ["", "0", "-1", "abc", "9" * 30, "<b>", "12.50"])
def test_a_draft_is_shown_whatever_budget_the_address_has_in_mind(sqlite_house: House, budget: str) -> None:
    owner, browser = people(sqlite_house)
    campaign_id = owner.post("/v1/campaigns", terms()).json()["id"]
    answer = browser.get(f"/sponsor/campaigns/{campaign_id}", params={"budget": budget})
    assert answer.status_code == 200
    assert "<b>" not in answer.text


def test_an_example_that_there_is_not_is_the_last_one(sqlite_house: House) -> None:
    _, browser = people(sqlite_house)
    assert browser.get(f"{NEW}?example=50").status_code == 200
    assert browser.get(f"{NEW}?example=51").status_code == 422
    assert str(new_id()) not in browser.get(NEW).text
