"""A sponsor learns what a campaign would have cost, and nothing of any one person; ops learns it exactly."""

from __future__ import annotations

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.web.api import campaign_dry_runs
from tests.http.conftest import Caller, House
from tests.http.flows import campaign, partner_session, sponsor, terms, work_off
from tests.http.test_problems import assert_problem

WHEN = {"until": "2026-11-03", "days": 7}


def charged(house: House, drivers: int, sessions: int = 1) -> None:
    """Let so many drivers charge on the same day, so often each."""
    partner = house.caller(Role.PARTNER)
    for driver in range(drivers):
        for number in range(sessions):
            place = {"reference": f"loc-{driver}-{number}", "name": "A", "timezone": "America/Chicago"}
            times = {
                "started_at": f"2026-11-02T{8 + 2 * number:02}:00:00Z",
                "ended_at": f"2026-11-02T{9 + 2 * number:02}:00:00Z",
            }
            body = partner_session(str(new_id()), f"d-{driver}", location=place, **times)
            answer = partner.post("/v1/partner/cdrs", body)
            assert answer.status_code in {200, 201}, answer.text
    work_off(house)


def drafted(owner: Caller, **changes: object) -> str:
    answer = owner.post("/v1/campaigns", terms(**changes))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_draft_that_nobody_paid_says_what_it_would_have_cost(house: House) -> None:
    charged(house, 6, 2)
    owner, ops = sponsor(house), house.caller(Role.OPS_SUPPORT)
    # Its own window lies ahead: the days that are asked about stand in its place.
    ahead = {"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2031-01-01T00:00:00Z"}
    draft = drafted(owner, driver_day_points_max=15, **ahead)

    shown = owner.get(f"/v1/campaigns/{draft}/dry-run", params=WHEN)
    exact = ops.get(f"/v1/ops/campaigns/{draft}/dry-run", params=WHEN)
    tight = ops.get(f"/v1/ops/campaigns/{draft}/dry-run", params=WHEN | {"gross_minor": 50}).json()

    assert (shown.status_code, exact.status_code) == (200, 200), shown.text
    told = exact.json()
    assert (told["points"], told["fee"], told["cost"]) == (90, 18, 108)
    assert (told["sessions"], told["drivers"], told["earning_sessions"]) == (12, 6, 12)
    assert told["days"] == [{"on": "2026-11-02", "drivers": 6, "sessions": 12, "points": 90, "fee": 18}]
    assert (told["budget_minor"], told["exhausted_on"]) == (None, None)
    assert (tight["budget_minor"], tight["points"], tight["exhausted_on"]) == (40, 40, "2026-11-02")
    assert tight["refused"] == [{"code": "campaign.exhausted", "sessions": 8, "drivers": 6}]
    # Everybody would get 15, so the points are told in steps of 20.
    seen = shown.json()
    assert seen["cost"] == {"points": 100, "fee": 25, "cost": 125}
    assert (seen["earning_sessions"], seen["earning_drivers"], seen["rounded_to"]) == (10, 5, 20)
    assert [day["on"] for day in seen["days"]] == ["2026-11-02"]
    assert owner.get(f"/v1/campaigns/{draft}/budget").json()["granted"] == 0
    assert owner.get(f"/v1/campaigns/{draft}/grants").json()["items"] == []
    assert house.findings() == []


def test_whether_fewer_than_five_drivers_charged_is_not_told(sqlite_house: House) -> None:
    house, told = sqlite_house, []
    owner = sponsor(house)
    draft = drafted(owner)
    for more in (0, 1, 3):
        charged(house, more)
        answer = owner.get(f"/v1/campaigns/{draft}/dry-run", params=WHEN).json()
        assert answer["is_too_few"]
        told.append(answer)

    assert told[0] == told[1] == told[2]


def test_a_dry_run_says_what_it_cannot_do(sqlite_house: House) -> None:
    owner = sponsor(sqlite_house, 1_000)
    path = f"/v1/campaigns/{campaign(owner, 500)}/dry-run"

    for wrong in ({"days": 6}, {"gross_minor": 0}, {"gross_minor": "1.5"}, {"until": "1999-01-01"}):
        assert_problem(owner.get(path, params=wrong), 422, "invalid-input")
    stranger = sponsor(sqlite_house)
    assert_problem(stranger.get(path, params=WHEN), 404, "unknown-campaign")
    with campaign_dry_runs._ONE:  # noqa: SLF001 - another request is at it
        assert_problem(owner.get(path, params=WHEN), 503, "dry-run-busy")
    assert owner.get(path, params=WHEN).status_code == 200


def test_ops_sees_what_a_driver_got_and_why_not_holdouts_included(house: House) -> None:
    owner = sponsor(house, 100_000)
    paying = campaign(owner, 10_000)
    held = {campaign(owner, 1_000, holdout_percent=50) for _ in range(6)}
    partner, ops = house.caller(Role.PARTNER), house.caller(Role.OPS_SUPPORT)
    sent = partner.post("/v1/partner/cdrs", partner_session("s-1", "d-1")).json()
    work_off(house)
    short = {"started_at": "2026-11-04T18:00:00Z", "ended_at": "2026-11-04T18:01:00Z"}
    partner.post("/v1/partner/cdrs", partner_session("s-2", "d-1", **short))
    work_off(house)
    path = f"/v1/ops/drivers/{sent['driver_id']}"

    grants = ops.get(f"{path}/grants").json()["items"]
    page = ops.get(f"{path}/decisions", params={"limit": 1}).json()
    rest = ops.get(f"{path}/decisions", params={"cursor": page["next_cursor"]}).json()
    why = ops.get(f"/v1/ops/sessions/{sent['session_id']}/decision").json()

    [mine] = [one for one in grants if one["campaign_id"] == paying]
    assert (mine["session_id"], mine["state"], mine["points"]) == (sent["session_id"], "settled", 10)
    assert [one["code"] for one in page["items"]] == ["session.too_short"]
    [first] = rest["items"]
    assert (first["session_id"], first["code"], first["points"]) == (
        sent["session_id"],
        "campaign.earned",
        why["points"],
    )
    told = {one["campaign_id"]: one["code"] for one in why["campaigns"]}
    assert told.keys() == {paying, *held}
    assert {told[one] for one in held} == {"campaign.holdout", "campaign.earned"}
    assert_problem(ops.get(f"/v1/ops/drivers/{new_id()}/grants"), 404, "unknown-driver")
    assert_problem(ops.get(f"/v1/ops/drivers/{new_id()}/decisions"), 404, "unknown-driver")
    assert house.findings() == []
