"""A stop works wherever the flow comes from: over the API, by a job, by a replay; and two people end it."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from nerava.audit import ActorKind, model
from nerava.audit.queries import Wanted, entries
from nerava.audit.sealing import seal_entries
from nerava.audit.switching import Operator, Switching
from nerava.audit.verify import verify
from nerava.drivers.model import Driver
from nerava.identity.roles import Role
from nerava.installation import background_of, open_installation
from nerava.kernel.ids import new_id
from nerava.kernel.switch_names import EARN, FUNDING, MONEY_ALL, READONLY
from nerava.ledger.switches import switches_on
from nerava.rewards.model import RewardGrant
from tests.http.flows import campaign, deposit, partner_session, sponsor, terms, work_off
from tests.http.test_money_by_key import fill_promo

if TYPE_CHECKING:
    from uuid import UUID

    from tests.http.conftest import Caller, House

WHY = {"reason": "a drill"}


def ops(house: House, role: Role = Role.OPS_SUPPORT) -> Caller:
    return house.caller(role)


def stop(house: House, name: str, by: Caller | None = None) -> Any:
    answer = (by or ops(house)).post(f"/v1/ops/switches/{name}/on", WHY)
    assert answer.status_code == 200, answer.text
    return answer.json()


def end(house: House, name: str, maker: Caller | None = None, checker: Caller | None = None) -> None:
    asked = (maker or ops(house)).post(f"/v1/ops/switches/{name}/releases", WHY)
    assert asked.status_code == 200, asked.text
    path = f"/v1/ops/switch-releases/{asked.json()['release_id']}/approve"
    answer = (checker or ops(house)).post(path)
    assert answer.status_code == 200, answer.text


def refused(answer: Any) -> bool:
    if answer.status_code != 503:
        return False
    body = answer.json()
    assert (body["code"], body["outcome"]) == ("switched-off", "not_executed"), body
    assert answer.headers["retry-after"] == "60"
    return True


def actions(house: House) -> list[tuple[str, str, str]]:
    found = house.installation.database.read(lambda session: entries(session, Wanted(), limit=200))
    return [(one.action, one.object_id, one.result) for one in reversed(found)]


def states(house: House) -> list[str]:
    query = text("SELECT state FROM charging_session ORDER BY id")
    return list(house.installation.database.read(lambda session: session.scalars(query).all()))


def granted(house: House) -> list[int]:
    query = text("SELECT points FROM reward_grant ORDER BY id")
    return list(house.installation.database.read(lambda session: session.scalars(query).all()))


def campaigns_granted(house: House) -> list[str]:
    query = select(RewardGrant.campaign_id)
    return list(map(str, house.installation.database.read(lambda session: session.scalars(query).all())))


def drivers(house: House) -> list[UUID]:
    query = select(Driver.id).order_by(Driver.id)
    return list(house.installation.database.read(lambda session: session.scalars(query).all()))


def test_a_stopped_deposit_is_told_so_and_works_after_the_stop(house: House) -> None:
    owner = sponsor(house)
    stop(house, FUNDING)
    key = str(new_id())

    assert refused(deposit(house, owner.tenant_id, 500, key=key, reference="wire-1"))
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 0

    end(house, FUNDING)
    assert deposit(house, owner.tenant_id, 500, key=key, reference="wire-1").status_code == 201
    assert owner.get("/v1/sponsor").json()["prepaid_minor"] == 500
    assert house.findings() == []


def test_a_present_is_stopped_with_what_is_earned(house: House) -> None:
    person = house.driver()
    stop(house, EARN)
    body = {"driver_id": str(person.tenant_id), "points": 5, "reason": "thanks"}

    assert refused(ops(house, Role.OPS_FINANCE).post("/v1/ops/goodwill-grants", body, key=str(new_id())))


@pytest.mark.parametrize("name", [EARN, MONEY_ALL, READONLY])
def test_sessions_wait_while_nothing_can_be_earned(
    house: House, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    owner = sponsor(house, deposited=10_000)
    campaign(owner, 5_000)
    partner = house.caller(Role.PARTNER)
    partner.post("/v1/partner/sessions", partner_session())
    first, second = ops(house), ops(house)
    stop(house, name, first)

    background = background_of(house.installation)
    caplog.clear()
    for _ in range(3):
        background.round()
    assert states(house) == ["closed"]
    assert [one.levelname for one in caplog.records if one.levelno > logging.INFO] == []

    end(house, name, first, second)
    work_off(house, everything=True)
    assert states(house) == ["verified"]
    assert granted(house) == [10]
    assert house.findings() == []


def test_a_stopped_campaign_takes_no_part_and_a_stopped_driver_waits(house: House) -> None:
    owner = sponsor(house, deposited=10_000)
    stopped, running = campaign(owner, 2_000), campaign(owner, 2_000)
    partner = house.caller(Role.PARTNER)
    partner.post("/v1/partner/sessions", partner_session("s-1", "d-1"))
    day = {"started_at": "2026-11-03T18:00:00Z", "ended_at": "2026-11-03T19:00:00Z"}
    partner.post("/v1/partner/sessions", partner_session("s-2", "d-2", **day))
    first, _ = drivers(house)
    stop(house, f"campaign:{stopped}")
    stop(house, f"driver:{first}")

    work_off(house, everything=True)
    assert sorted(states(house)) == ["closed", "verified"]
    assert campaigns_granted(house) == [running]

    end(house, f"driver:{first}")
    work_off(house, everything=True)
    assert len(granted(house)) == 2


def test_read_only_refuses_writes_and_keeps_reads_sign_out_and_the_switch(house: House) -> None:
    owner = sponsor(house, deposited=500)
    first, second, leaving = ops(house), ops(house), ops(house)
    stop(house, READONLY, first)

    assert refused(owner.post("/v1/campaigns", terms()))
    assert owner.get("/v1/sponsor").status_code == 200
    assert leaving.post("/v1/auth/logout").status_code == 204
    assert leaving.post(f"/v1/ops/switches/{EARN}/on", WHY).status_code == 401

    end(house, READONLY, first, second)
    assert owner.post("/v1/campaigns", terms()).status_code == 201


def test_who_asked_cannot_approve_under_another_role_either(house: House) -> None:
    person = ops(house, Role.OPS_SUPPORT)
    stop(house, EARN, person)
    asked = person.post(f"/v1/ops/switches/{EARN}/releases", WHY).json()

    same = house.caller(Role.OPS_FINANCE, subject=person.subject)
    headers = same.headers({"Nerava-Acting-As": "ops:finance"})
    answer = house.client.post(f"/v1/ops/switch-releases/{asked['release_id']}/approve", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "self-approval")
    route = "POST /v1/ops/switch-releases/{release_id}/approve"
    assert actions(house)[-2:] == [
        ("switch.off", asked["release_id"], "denied"),
        ("policy.denied", route, "denied"),
    ]
    assert house.installation.database.read(switches_on) == {EARN}


def test_every_step_of_a_switch_is_written_down_with_its_reason(house: House) -> None:
    stop(house, EARN)
    end(house, EARN)

    assert actions(house) == [
        ("switch.on", EARN, "ok"),
        ("switch.release_asked", EARN, "ok"),
        ("switch.off", EARN, "ok"),
    ]
    rows = house.installation.database.read(lambda session: session.execute(select(model.entry)).all())
    assert {(row.actor_kind, row.role, row.reason) for row in rows} == {("ops", "ops:support", "a drill")}
    assert all(row.session_id and row.request_id for row in rows)
    house.installation.database.run(seal_entries)
    assert house.installation.database.read(verify) == []


def test_decisions_about_money_and_campaigns_are_written_down(house: House) -> None:
    owner = sponsor(house, deposited=10_000)
    campaign_id = campaign(owner, 2_000)
    owner.post(f"/v1/campaigns/{campaign_id}/pause")
    person = house.driver()
    body = {"driver_id": str(person.tenant_id), "points": 5, "reason": "thanks"}
    ops(house, Role.OPS_FINANCE).post("/v1/ops/goodwill-grants", body, key="k-1")

    told = [action for action, _, _ in actions(house)]
    assert told == [
        "deposit.recorded",
        "campaign.drafted",
        "campaign.funded",
        "campaign.active",
        "campaign.paused",
    ]  # the house has no budget, so the present was refused and leaves no entry


def test_a_repeated_request_is_written_down_once(house: House) -> None:
    owner = sponsor(house)
    by = ops(house, Role.OPS_FINANCE)
    body = {"reference": "wire-1", "gross_minor": 500}
    for _ in range(3):
        by.post(f"/v1/ops/sponsors/{owner.tenant_id}/deposits", body, key="k-1")

    assert [action for action, _, _ in actions(house)] == ["deposit.recorded"]


def test_a_present_is_written_down_with_its_posting_and_once(house: House) -> None:
    fill_promo(house, 100)
    person, by = house.driver(), ops(house, Role.OPS_FINANCE)
    body = {"driver_id": str(person.tenant_id), "points": 5, "reason": "thanks"}
    for _ in range(2):
        assert by.post("/v1/ops/goodwill-grants", body, key="k-1").status_code == 201

    assert actions(house) == [("goodwill.given", str(person.tenant_id), "ok")]


def test_the_audit_log_is_read_page_by_page(house: House) -> None:
    reader = ops(house)
    for name in (EARN, FUNDING, MONEY_ALL):
        stop(house, name, reader)

    first = reader.get("/v1/ops/audit-log", params={"limit": 2}).json()
    second = reader.get("/v1/ops/audit-log", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [one["object_id"] for one in [*first["items"], *second["items"]]] == [MONEY_ALL, FUNDING, EARN]
    assert second["next_cursor"] is None
    only = reader.get("/v1/ops/audit-log", params={"object_kind": "kill_switch", "object_id": EARN}).json()
    assert [one["action"] for one in only["items"]] == ["switch.on"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/v1/ops/audit-log"), ("get", "/v1/ops/switches"), ("post", "/v1/ops/switches/earn/on")],
)
def test_nobody_else_comes_near(house: House, method: str, path: str) -> None:
    for role in (Role.DRIVER, Role.SPONSOR, Role.PARTNER):
        caller = house.caller(role)
        answer = caller.get(path) if method == "get" else caller.post(path, WHY)
        assert answer.status_code == 403, role


def test_a_switch_that_stops_nothing_is_not_found(house: House) -> None:
    answer = ops(house).post("/v1/ops/switches/everything/on", WHY)

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-switch")


def test_a_stop_reaches_another_installation_within_five_seconds(house: House) -> None:
    other = open_installation(house.installation.settings)
    try:
        other.switches.require_off("signup")
        stop(house, "signup")
        deadline = time.monotonic() + 5
        while "signup" not in other.switches.on():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        other.close()


def test_what_the_environment_stops_is_added_and_never_taken_away(house: House) -> None:
    inside = house.installation
    switching = Switching(inside.database, inside.audit, inside.switches)
    now = inside.clock.now()
    switching.turn_on(FUNDING, by=Operator("o-1", ActorKind.OPS), reason="r", now=now)

    switching.apply_at_start([EARN], now)
    switching.apply_at_start([EARN], now)
    switching.apply_at_start([], now)

    assert inside.database.read(switches_on) == {EARN, FUNDING}
    assert [one for one in actions(house) if one[1] == EARN] == [("switch.on", EARN, "ok")]


def test_a_stop_from_another_process_is_felt_at_once_by_money_and_within_five_seconds_by_the_rest(
    house: House,
) -> None:
    owner = sponsor(house)
    house.installation.switches.require_off("signup", READONLY)
    address = house.installation.database.url
    for name in (FUNDING, "signup"):
        command = [
            sys.executable,
            "-m",
            "nerava",
            "switch",
            "on",
            name,
            "--reason",
            "r",
            "--database",
            str(address),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    ended = time.monotonic()

    assert refused(deposit(house, owner.tenant_id, 500))
    while "signup" not in house.installation.switches.on():
        assert time.monotonic() < ended + 5
        time.sleep(0.05)


def test_a_stopped_partner_is_refused_and_another_goes_on(house: House) -> None:
    one, other = house.caller(Role.PARTNER), house.caller(Role.PARTNER)
    stop(house, f"partner:{one.tenant_id}")

    assert refused(one.post("/v1/partner/sessions", partner_session()))
    assert other.post("/v1/partner/sessions", partner_session()).status_code in {200, 201}
