"""What a sponsor sees of the rewards, and what drivers are promised."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.rewards.holdout import in_holdout
from tests.http.flows import as_driver, campaign, partner_session, sponsor, work_off
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

NOW_OPEN = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z"}
PLACES = ("loc-1", "loc-2", "loc-3")


def charge(house: House, *drivers: str, kind: str = "cdrs") -> list[UUID]:
    """Let a partner tell of a session of each driver, and return the drivers' ids."""
    partner = house.caller(Role.PARTNER)
    ids = []
    for number, driver in enumerate(drivers):
        place = {"reference": f"loc-{number}", "name": "Market Street", "timezone": "America/Chicago"}
        body = partner_session(f"{driver}-{new_id()}", driver, location=place)
        answer = partner.post(f"/v1/partner/{kind}", body)
        assert answer.status_code in {200, 201}, answer.text
        ids.append(UUID(answer.json()["driver_id"]))
    work_off(house)
    return ids


def offers(driver: Caller, **params: object) -> list[dict[str, Any]]:
    """Return what a driver is promised."""
    answer = driver.get("/v1/campaign-offers", params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_a_sponsor_sees_every_reward_with_its_reason_and_nobodys_identity_place_or_hour(house: House) -> None:
    owner = sponsor(house, 10_000)
    first, second = campaign(owner, 1_000), campaign(owner, 1_000)
    drivers = charge(house, "d-1", "d-2", "d-3")

    pages = {one: owner.get(f"/v1/campaigns/{one}/grants").json()["items"] for one in (first, second)}

    for items in pages.values():
        assert [item["points"] for item in items] == [10, 10, 10]
        assert {item["on"] for item in items} == {"2026-11-02"}
        assert len({item["driver"] for item in items}) == 3
    names = [{item["driver"] for item in items} for items in pages.values()]
    assert names[0].isdisjoint(names[1])
    grant = pages[first][0]
    why = owner.get(f"/v1/campaigns/{first}/grants/{grant['reference']}").json()
    assert why["grant"] == grant
    assert [rule["code"] for rule in why["rules"]] == ["fixed.session"]
    told = str(pages) + str(why)
    assert not any(str(driver) in told for driver in drivers)
    assert "Market" not in told
    assert "T18" not in told
    other = owner.get(f"/v1/campaigns/{second}/grants/{grant['reference']}")
    assert_problem(other, 404, "unknown-grant")
    assert house.findings() == []


def test_rewards_are_listed_page_by_page_each_once(house: House) -> None:
    owner = sponsor(house, 10_000)
    path = f"/v1/campaigns/{campaign(owner, 1_000)}/grants"
    charge(house, *(f"d-{number}" for number in range(5)))

    seen: list[str] = []
    cursor: str | None = None
    for _ in range(9):
        page = owner.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [one["reference"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 5
    assert_problem(owner.get(path, params={"cursor": "nonsense"}), 422, "invalid-input")


def test_the_days_of_a_budget_end_where_the_budget_stands(house: House) -> None:
    owner = sponsor(house, 10_000)
    campaign_id = campaign(owner, 1_000)
    charge(house, "d-1", "d-2")
    charge(house, "d-3", kind="sessions")

    report = owner.get(f"/v1/campaigns/{campaign_id}/burn-down").json()
    budget = owner.get(f"/v1/campaigns/{campaign_id}/budget").json()
    text = owner.get(f"/v1/campaigns/{campaign_id}/burn-down/csv")

    assert report["timezone"] == "America/Chicago"
    last = report["days"][-1]
    assert (last["left"], last["held"]) == (budget["left"], budget["held"])
    assert sum(day["granted"] for day in report["days"]) == budget["granted"] == 20
    assert sum(day["funded"] for day in report["days"]) == 800
    assert report["forecast"]["state"] == "too-early"
    assert text.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert [row["left"] for row in rows] == [str(day["left"]) for day in report["days"]]
    assert house.findings() == []


def test_a_campaign_is_promised_while_it_can_pay_and_no_longer(house: House) -> None:
    owner = sponsor(house, 10_000)
    campaign_id = campaign(owner, 25, **NOW_OPEN)
    driver = house.driver()

    (offer,) = offers(driver)
    assert (offer["campaign_id"], offer["promises"]) == (campaign_id, ["10 Nova for a session"])
    assert "sponsor" not in str(offer)
    charge(house, "d-1", "d-2")
    assert offers(driver) == []
    assert (
        owner.post(f"/v1/campaigns/{campaign_id}/fundings", {"gross_minor": 100}, key="k").status_code == 201
    )
    assert len(offers(driver)) == 1
    assert owner.post(f"/v1/campaigns/{campaign_id}/pause").status_code == 200
    assert offers(driver) == []
    assert house.findings() == []


def test_who_is_held_out_or_has_had_everything_is_promised_nothing(house: House) -> None:
    owner = sponsor(house, 10_000)
    shared = campaign(owner, 1_000, holdout_percent=50, **NOW_OPEN)
    drivers = [house.driver() for _ in range(12)]
    for driver in drivers:
        assert bool(offers(driver)) is not in_holdout(UUID(shared), driver.tenant_id, 50)
    owner.post(f"/v1/campaigns/{shared}/end")

    campaign(owner, 1_000, driver_points_max=10, **NOW_OPEN)
    assert len(offers(drivers[0])) == 1
    (paid,) = charge(house, "d-1")
    assert offers(as_driver(house, paid)) == []


def test_a_campaign_of_some_places_is_promised_near_them_only(sqlite_house: House) -> None:
    house = sqlite_house
    owner = sponsor(house, 10_000)
    corners = [[41.8, -87.7], [42.0, -87.7], [42.0, -87.5], [41.8, -87.5]]
    rules = [{"kind": "fixed", "points": 5}, {"kind": "zone", "corners": corners}]
    campaign(owner, 1_000, rules=rules, **NOW_OPEN)
    elsewhere = [{"kind": "fixed", "points": 5}, {"kind": "locations", "location_ids": [str(new_id())]}]
    campaign(owner, 1_000, rules=elsewhere, **NOW_OPEN)
    driver = house.driver()

    assert len(offers(driver, lat=41.9, lng=-87.6)) == 1
    assert offers(driver, lat=40.0, lng=-87.6) == []
    assert len(offers(driver)) == 2
    assert_problem(driver.get("/v1/campaign-offers", params={"lat": 1}), 422, "invalid-input")


def test_a_campaign_outside_its_window_is_not_promised(sqlite_house: House) -> None:
    owner = sponsor(sqlite_house, 10_000)
    campaign(owner, 1_000, starts_at="2098-01-01T00:00:00Z", ends_at="2099-01-01T00:00:00Z")
    campaign(owner, 1_000, starts_at="2020-01-01T00:00:00Z", ends_at="2021-01-01T00:00:00Z")

    assert offers(sqlite_house.driver()) == []
