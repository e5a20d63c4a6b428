"""What ops and partners were not allowed to do stands in the audit log, and cannot flood it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from nerava.audit import model
from nerava.identity.denials import ACTION
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.helpers.parallel import in_parallel
from tests.http.machine import machine
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import Row

    from tests.http.conftest import Caller, House

WHY = {"reason": "a drill"}


def told(house: House) -> list[Row[Any]]:
    """Return what the audit log knows about refusals, the oldest first."""
    entry = model.entry.c
    found = select(model.entry).where(entry.action == ACTION).order_by(entry.id)
    return list(house.installation.database.read(lambda session: session.execute(found).all()))


def reasons(house: House) -> list[tuple[str, str]]:
    """Return for what, and why, callers were refused."""
    return [(one.object_id, one.reason) for one in told(house)]


def test_a_refusal_of_ops_by_role_tenant_scope_and_step_up_is_written_down(house: House) -> None:
    ops = house.caller(Role.OPS_SUPPORT)
    assert_problem(ops.get(f"/v1/sessions/{new_id()}?x=1"), 403, "role-not-allowed")
    headers = ops.headers({"Nerava-Acting-As": f"sponsor:{new_id()}"})
    assert_problem(house.client.get("/v1/ops/switches", headers=headers), 403, "role-not-allowed")
    narrow = {"Authorization": f"Bearer {house.narrowed(ops, 'profile:read')}"}
    assert_problem(house.client.get("/v1/ops/switches", headers=narrow), 403, "scope-not-granted")
    house.grow_cold(ops)
    assert_problem(ops.post("/v1/ops/switches/earn/releases", WHY), 403, "step-up-required")

    assert reasons(house) == [
        ("GET /v1/sessions/{session_id}", "role-not-allowed"),
        ("GET /v1/ops/switches", "role-not-allowed"),
        ("GET /v1/ops/switches", "scope-not-granted"),
        ("POST /v1/ops/switches/{name}/releases", "step-up-required:passkey"),
    ]
    for one in told(house):
        assert (one.actor_kind, one.actor_id, one.role) == ("ops", str(ops.subject), "ops:support")
        assert (one.result, len(one.request_id)) == ("denied", 32)
        assert one.session_id is not None


def test_a_refusal_by_four_eyes_is_written_down(house: House) -> None:
    ops = house.caller(Role.OPS_FINANCE)
    assert ops.post("/v1/ops/switches/earn/on", WHY).status_code == 200
    release_id = ops.post("/v1/ops/switches/earn/releases", WHY).json()["release_id"]
    assert_problem(ops.post(f"/v1/ops/switch-releases/{release_id}/approve"), 403, "self-approval")
    assert reasons(house) == [("POST /v1/ops/switch-releases/{release_id}/approve", "self-approval")]


def test_a_refusal_of_a_partner_is_written_down_and_one_of_a_driver_is_not(house: House) -> None:
    partner, driver = house.caller(Role.PARTNER), house.driver()
    for caller in (partner, driver):
        assert_problem(caller.get("/v1/ops/switches"), 403, "role-not-allowed")
    [one] = told(house)
    assert (one.actor_kind, one.role) == ("partner", "partner")
    assert one.tenant_id == str(partner.tenant_id)


def test_a_refusal_of_a_key_is_written_down_under_its_id(house: House) -> None:
    one = machine(house, scopes=["cdrs:write"])
    assert_problem(one.get("/v1/me"), 403, "scope-not-granted")
    [entry] = told(house)
    assert (entry.actor_kind, entry.session_id, entry.reason) == ("partner", None, "scope-not-granted")
    assert not any("nvk_" in str(value) for value in entry)


def test_a_session_is_written_down_ten_times_a_minute(house: House) -> None:
    flooding, other = house.caller(Role.OPS_SUPPORT), house.caller(Role.OPS_SUPPORT)

    def knock(_number: int) -> int:
        answer: int = flooding.get("/v1/wallet").status_code
        return answer

    assert set(in_parallel(16, knock)) == {403}
    assert other.get("/v1/wallet").status_code == 403
    assert [one.actor_id for one in told(house)].count(str(flooding.subject)) == 10
    assert [one.actor_id for one in told(house)].count(str(other.subject)) == 1


def test_a_refusal_is_written_down_while_everything_is_read_only(house: House) -> None:
    caller: Caller = house.caller(Role.OPS_SUPPORT)
    assert caller.post("/v1/ops/switches/readonly/on", WHY).status_code == 200
    house.installation.switches.forget()
    assert_problem(caller.get("/v1/wallet"), 403, "role-not-allowed")
    assert reasons(house) == [("GET /v1/wallet", "role-not-allowed")]
