"""Sessions come in, are evaluated, and every answer about them has its reasons."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.helpers.parallel import in_parallel
from tests.http.flows import STARTED, as_driver, campaign, partner_session, sponsor, work_off
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House


def sent(partner: Caller, body: dict[str, object], kind: str = "sessions") -> dict[str, Any]:
    """Send a session that has to be accepted, and return the answer."""
    answer = partner.post(f"/v1/partner/{kind}", body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_session_is_held_on_a_partners_word_and_given_on_its_cdr(house: House) -> None:
    campaign(sponsor(house, 1_000), 1_000)
    partner = house.caller(Role.PARTNER)

    stored = sent(partner, partner_session())
    assert (stored["state"], stored["evidence_level"]) == ("closed", 1)
    driver = as_driver(house, UUID(stored["driver_id"]))
    path = f"/v1/sessions/{stored['session_id']}"
    assert_problem(driver.get(f"{path}/decision"), 404, "unknown-decision")

    work_off(house)
    wallet = driver.get("/v1/wallet").json()
    assert (wallet["posted"], wallet["pending"]) == (0, 10)
    assert driver.get(path).json()["state"] == "verified"

    again = sent(partner, partner_session(energy_wh=9_000), "cdrs")
    assert (again["session_id"], again["evidence_level"]) == (stored["session_id"], 4)
    work_off(house)
    wallet = driver.get("/v1/wallet").json()
    assert (wallet["posted"], wallet["pending"]) == (10, 0)
    assert driver.get(path).json()["energy_wh"] == 9_000
    lines = driver.get("/v1/wallet/statement").json()["items"]
    assert [line["text"] for line in lines] == ["Earned by charging", "Reward on its way, waiting for proof"]
    session = {"kind": "session", "id": stored["session_id"], "text": "Market Street"}
    assert [line["about"] for line in lines] == [session, session]
    assert house.findings() == []


def test_the_decision_says_why_campaign_by_campaign_and_rule_by_rule(house: House) -> None:
    owner = sponsor(house, 1_000)
    rules = [{"kind": "fixed", "points": 10}, {"kind": "minimum_energy", "energy_wh": 50_000}]
    good = campaign(owner, 500, name="Everybody")
    hard = campaign(owner, 500, name="Big batteries", rules=rules)
    stored = sent(house.caller(Role.PARTNER), partner_session(), "cdrs")
    work_off(house)
    driver = as_driver(house, UUID(stored["driver_id"]))

    decision = driver.get(f"/v1/sessions/{stored['session_id']}/decision").json()

    answers = {one["campaign_id"]: one for one in decision["campaigns"]}
    assert decision["points"] == 10
    assert decision["evaluation"] == 1
    assert answers[good]["outcome"] == "granted"
    assert answers[good]["grant_state"] == "settled"
    assert answers[good]["rules"] == [
        {"answer": "earned", "code": "fixed.session", "text": "The session took place.", "points": 10}
    ]
    assert answers[hard]["outcome"] == "refused"
    assert "10 kWh are less than 50 kWh." in {rule["text"] for rule in answers[hard]["rules"]}
    path = f"/v1/sessions/{stored['session_id']}/decision"
    assert driver.get(path, params={"evaluation": 1}).json() == decision
    assert_problem(driver.get(path, params={"evaluation": 2}), 404, "unknown-decision")
    assert_problem(driver.get(path, params={"evaluation": 0}), 422, "invalid-input")


def test_another_drivers_session_is_not_found(house: House) -> None:
    stored = sent(house.caller(Role.PARTNER), partner_session())
    stranger = house.driver()
    for path in (f"/v1/sessions/{stored['session_id']}", f"/v1/sessions/{stored['session_id']}/decision"):
        assert_problem(stranger.get(path), 404, "unknown-session")
        assert_problem(house.caller(Role.SPONSOR).get(path), 403, "role-not-allowed")
        assert_problem(house.client.get(path), 401, "not-signed-in")
    assert stranger.get("/v1/sessions").json()["items"] == []
    assert_problem(stranger.get("/v1/sessions/not-an-id"), 422, "invalid-input")
    assert_problem(stranger.get(f"/v1/sessions/{new_id()}"), 404, "unknown-session")


def test_sessions_are_listed_latest_first_page_by_page(house: House) -> None:
    partner = house.caller(Role.PARTNER)
    driver_id = ""
    for day in range(5):
        start = STARTED + timedelta(days=day)
        body = partner_session(
            f"s-{day}", started_at=start.isoformat(), ended_at=(start + timedelta(hours=1)).isoformat()
        )
        driver_id = sent(partner, body)["driver_id"]
    driver = as_driver(house, UUID(driver_id))

    seen, cursor = [], None
    for _ in range(9):
        page = driver.get("/v1/sessions", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [one["reference"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["s-4", "s-3", "s-2", "s-1", "s-0"]


def test_a_session_sent_sixteen_times_at_once_is_one_session(house: House) -> None:
    partner = house.caller(Role.PARTNER)
    answers = in_parallel(16, lambda _: partner.post("/v1/partner/sessions", partner_session()))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["session_id"] for answer in answers}) == 1


def test_one_reference_is_one_session(house: House) -> None:
    partner = house.caller(Role.PARTNER)
    first = sent(partner, partner_session())
    assert sent(partner, partner_session()) == first
    other = partner.post("/v1/partner/sessions", partner_session(energy_wh=20_000))
    assert_problem(other, 409, "session-differs")
    sent(partner, partner_session(energy_wh=9_000), "cdrs")
    assert sent(partner, partner_session(energy_wh=9_000), "cdrs")["evidence_level"] == 4
    changed = partner.post("/v1/partner/cdrs", partner_session(energy_wh=9_500))
    assert_problem(changed, 409, "session-differs")


def test_partners_do_not_share_references_drivers_or_places(house: House) -> None:
    first, second = (sent(house.caller(Role.PARTNER), partner_session()) for _ in range(2))
    assert first["session_id"] != second["session_id"]
    assert first["driver_id"] != second["driver_id"]


def test_a_partner_who_may_not_send_cdrs_cannot(house: House) -> None:
    partner = house.caller(Role.PARTNER)
    token = house.narrowed(partner, "sessions:write")
    headers = {"Authorization": f"Bearer {token}"}
    answer = house.client.post("/v1/partner/cdrs", json=partner_session(), headers=headers)
    assert_problem(answer, 403, "scope-not-granted")
    assert (
        house.client.post("/v1/partner/sessions", json=partner_session(), headers=headers).status_code == 201
    )


@pytest.mark.in_turn
@pytest.mark.parametrize(
    "change",
    [
        {"energy_wh": -1},
        {"energy_wh": 10.5},
        {"energy_wh": "10000"},
        {"energy_wh": 10**12},
        {"ended_at": STARTED.isoformat()},
        {"ended_at": (STARTED - timedelta(hours=1)).isoformat()},
        {"ended_at": "2027-11-02T19:00:00Z"},
        {"started_at": "2026-11-02T18:00:00"},
        {"started_at": "0001-01-01T00:00:00+14:00"},
        {"reference": ""},
        {"reference": "x" * 101},
        {"driver_reference": "anna@example.com\n"},
        {"driver_id": str(new_id())},
        {"evidence_level": 5},
        {"location": {"reference": "l", "name": "L", "timezone": "Mars/Olympus"}},
        {"location": {"reference": "l", "name": "L", "timezone": "../../etc/passwd"}},
        {"location": {"reference": "l", "name": "L", "timezone": "UTC", "latitude": 1.0}},
        {"location": {"reference": "l", "name": "L", "timezone": "UTC", "latitude": 91.0, "longitude": 0.0}},
    ],
)
def test_a_session_that_cannot_be_is_refused_and_leaves_nothing(house: House, change: dict[str, Any]) -> None:
    partner = house.caller(Role.PARTNER)
    answer = partner.post("/v1/partner/sessions", partner_session(**change))
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert partner.post("/v1/partner/sessions", partner_session()).status_code == 201
