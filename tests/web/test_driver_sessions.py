"""Charging sessions on pages: months add up, and every session says why it earned what it earned."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nerava.identity.roles import Role
from tests.http.flows import STARTED, as_driver, campaign, partner_session, sponsor, work_off
from tests.http.shop import charging_at
from tests.http.test_sessions import sent
from tests.web.browser import Browser, browser_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House


def test_nobody_charged_yet(sqlite_house: House) -> None:
    said = text_of(browser_of(sqlite_house, Role.DRIVER).get("/sessions").text)
    assert "Your charging sessions will be here" in said


def charged(house: House, *bodies: dict[str, object]) -> tuple[Browser, list[str]]:
    """Let a driver charge, by the operator's own records, and return their browser and the sessions."""
    partner = house.caller(Role.PARTNER)
    stored = [sent(partner, one, "cdrs") for one in bodies]
    work_off(house)
    driver = as_driver(house, UUID(stored[0]["driver_id"]))
    browser = browser_of(house, Role.DRIVER, driver.tenant_id, driver.subject)
    return browser, [one["session_id"] for one in stored]


def record(number: int, *, months_ago: int = 0, **changes: object) -> dict[str, object]:
    """Return an operator's record of a charge, as many times four weeks ago."""
    began = STARTED - timedelta(days=28 * months_ago, hours=2 * number)
    ended = began + timedelta(hours=1)
    instants = {"started_at": began.isoformat(), "ended_at": ended.isoformat()}
    return partner_session(f"s-{number}", **instants) | changes


def test_a_charge_that_earned_nothing_says_why_in_a_sentence(house: House) -> None:
    rules = [{"kind": "fixed", "points": 10}, {"kind": "minimum_energy", "energy_wh": 50_000}]
    campaign(sponsor(house, 1_000), 500, name='Big "<b>" batteries', rules=rules)
    browser, [session_id] = charged(house, record(1))
    page = browser.get(f"/s/{session_id}").text
    said = text_of(page)
    assert "It earned nothing. 10 kWh are less than 50 kWh." in said
    assert "Not met: 10 kWh are less than 50 kWh." in said
    assert "The operator's own record proves it." in said.replace("&#39;", "'")
    assert "Big &#34;&lt;b&gt;&#34; batteries" in page
    assert "10 kWh are less than 50 kWh." in text_of(browser.get("/sessions").text)
    assert house.findings() == []


def test_a_charge_that_earned_shows_each_campaigns_amount(house: House) -> None:
    owner = sponsor(house, 1_000)
    campaign(owner, 500, name="Everybody")
    browser, [session_id] = charged(house, record(1))
    said = text_of(browser.get(f"/s/{session_id}").text)
    assert "It earned 10 Nova." in said
    assert "Everybody 10 Nova Earned" in said
    assert f'href="/s/{session_id}"' in browser.get("/wallet").text
    assert house.findings() == []


def test_a_charge_on_weak_proof_says_what_it_waits_for(house: House) -> None:
    campaign(sponsor(house, 1_000), 1_000)
    stored = sent(house.caller(Role.PARTNER), partner_session())
    driver = as_driver(house, UUID(stored["driver_id"]))
    browser = browser_of(house, Role.DRIVER, driver.tenant_id, driver.subject)
    path = f"/s/{stored['session_id']}"
    unchecked = browser.get(path).text
    assert "We are checking this charge." in text_of(unchecked)
    assert 'data-live="5"' in unchecked
    work_off(house)
    said = text_of(browser.get(path).text)
    assert "10 Nova are pending" in said
    assert "A partner of ours reported the charge." in said
    assert "10 pending" in text_of(browser.get("/sessions").text)
    assert house.findings() == []


def test_months_add_up_and_earlier_ones_follow(sqlite_house: House) -> None:
    campaign(sponsor(sqlite_house, 10_000), 10_000, starts_at="2026-08-01T00:00:00Z")
    browser, _ = charged(sqlite_house, record(1), record(2), record(3, months_ago=1))
    said = text_of(browser.get("/sessions").text)
    assert "20.0 kWh, 20 Nova" in said
    assert "10.0 kWh, 10 Nova" in said
    before = (STARTED - timedelta(days=10)).isoformat()
    earlier = browser.get("/sessions", params={"until": before}).text
    assert earlier.count('class="row"') == 1
    long_ago = browser.get("/sessions", params={"until": "2020-01-01T00:00:00Z"}).text
    assert "Nothing earlier." in text_of(long_ago)
    for nonsense in ("yesterday", "2026-13-01T00:00:00Z", "<b>"):
        assert browser.get("/sessions", params={"until": nonsense}).status_code == 422


def test_a_month_that_is_cut_is_shown_with_the_next_page(sqlite_house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr("nerava.web.driver.sessions.ASKED", 2)
    browser, _ = charged(sqlite_house, record(1), record(2, months_ago=1), record(3, months_ago=1))
    first = browser.get("/sessions").text
    assert first.count('class="row"') == 1
    onward = first.partition('href="/sessions?until=')[2].partition('"')[0]
    second = browser.get(f"/sessions?until={onward}").text
    assert second.count('class="row"') == 2


def test_whoever_is_held_out_reads_nothing_of_it(sqlite_house: House) -> None:
    owner = sponsor(sqlite_house, 10_000)
    for number in range(12):
        campaign(owner, 500, name=f"Measured {number}", holdout_percent=50)
    browser, [session_id] = charged(sqlite_house, record(1))
    page = text_of(browser.get(f"/s/{session_id}").text) + text_of(browser.get("/sessions").text)
    assert page.count("Measured") < 12
    assert "share that earns nothing" not in page


def test_a_session_of_somebody_else_is_not_there(sqlite_house: House) -> None:
    _, [session_id] = charged(sqlite_house, record(1))
    assert browser_of(sqlite_house, Role.DRIVER).get(f"/s/{session_id}").status_code == 404


def test_a_car_that_charges_now_is_followed(sqlite_house: House) -> None:
    driver = sqlite_house.driver()
    session_id = charging_at(sqlite_house, driver, 41.88, -87.63)
    browser = browser_of(sqlite_house, Role.DRIVER, driver.tenant_id, driver.subject)
    page = browser.get(f"/s/{session_id}").text
    assert "Your car is charging." in text_of(page)
    assert 'data-live="5"' in page
