"""People of ops show a passkey again before money moves and before a stop ends, over HTTP and for real."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.session_store import AuthSession
from nerava.kernel.ids import new_id
from tests.helpers.authenticator import Authenticator, Bent
from tests.http.conftest import Caller
from tests.http.flows import fill_promo, sponsor
from tests.http.test_problems import assert_problem
from tests.http.test_signing_in import MAIL, ask, inbox_of, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from tests.http.conftest import House

pytestmark = pytest.mark.in_turn

HERE = Bent(origin="http://localhost:8000")
WHY = {"reason": "a drill"}


def caller_of(house: House, opened: Any) -> Caller:
    """Return whoever has just come in."""
    token = opened.json()["access_token"]
    return Caller(house.client, token, new_id(), house.installation.tokens.verify(token).subject)


def sign_in(house: House, authenticator: Authenticator) -> Caller:
    """Come in with a passkey."""
    begun = house.client.post("/v1/auth/passkeys/options").json()
    credential = authenticator.answer(begun["public_key"], HERE)
    body = {"ceremony_id": begun["ceremony_id"], "credential": credential}
    return caller_of(house, house.client.post("/v1/auth/passkeys/verify", json=body))


def show_passkey(caller: Caller, authenticator: Authenticator) -> None:
    """Show a passkey once more on this session."""
    begun = caller.post("/v1/auth/step-up/passkey/options").json()
    credential = authenticator.answer(begun["public_key"], HERE)
    body = {"ceremony_id": begun["ceremony_id"], "credential": credential}
    assert caller.post("/v1/auth/step-up/passkey", body).json()["level"] == "passkey"


def come_in(house: House, role: Role) -> tuple[Caller, Authenticator]:
    """Return somebody of ops who came in with a passkey of their own."""
    asked = ask(house, MAIL, "email").json()
    person, authenticator = (
        caller_of(house, verify(house, asked, inbox_of(house, MAIL)[-1][:6])),
        Authenticator(),
    )
    begun = person.post("/v1/me/factors/passkeys/options", {"label": "key"}).json()
    made = authenticator.make(begun["public_key"], HERE)
    body = {"ceremony_id": begun["ceremony_id"], "label": "key", "credential": made}
    assert person.post("/v1/me/factors/passkeys", body).status_code == 201
    now, held = house.installation.clock.now(), Membership(role)
    house.installation.database.run(
        lambda session: grant_role(session, person.subject, held, granted_by="test", now=now)
    )
    return sign_in(house, authenticator), authenticator


def goodwill(house: House, by: Caller) -> Any:
    """Give a present that needs nobody else."""
    body = {"driver_id": str(house.driver().tenant_id), "points": 100, "reason": "thanks"}
    return by.post("/v1/ops/goodwill-grants", body, key=str(new_id()))


def deposit(house: House, by: Caller) -> Any:
    """Record money that arrived."""
    path = f"/v1/ops/sponsors/{sponsor(house).tenant_id}/deposits"
    return by.post(path, {"reference": f"w-{new_id()}", "gross_minor": 1_000}, key=str(new_id()))


def ask_release(house: House, by: Caller) -> Any:
    """Ask to end a stop."""
    assert house.caller(Role.OPS_SUPPORT).post("/v1/ops/switches/earn/on", WHY).status_code == 200
    return by.post("/v1/ops/switches/earn/releases", WHY)


def approve_release(house: House, by: Caller) -> Any:
    """End a stop that somebody else asked to end."""
    release_id = ask_release(house, house.caller(Role.OPS_SUPPORT)).json()["release_id"]
    return by.post(f"/v1/ops/switch-releases/{release_id}/approve")


def approve_present(house: House, by: Caller) -> Any:
    """Agree to a present that somebody else asked for."""
    body = {"driver_id": str(house.driver().tenant_id), "points": 20_000, "reason": "thanks"}
    asked = house.caller(Role.OPS_FINANCE).post("/v1/ops/goodwill-grants", body, key=str(new_id()))
    return by.post(f"/v1/ops/approvals/{asked.json()['approval_id']}/approve", key=str(new_id()))


@pytest.mark.parametrize("act", [goodwill, deposit, ask_release, approve_release, approve_present])
def test_five_minutes_after_the_passkey_it_has_to_be_shown_again(
    house: House, act: Callable[[House, Caller], Any]
) -> None:
    fill_promo(house, 50_000)
    ops, authenticator = come_in(house, Role.OPS_FINANCE)
    assert act(house, ops).status_code in {200, 201}
    house.grow_cold(ops)
    assert assert_problem(act(house, ops), 403, "step-up-required")["step_up"] == "passkey"
    show_passkey(ops, authenticator)
    assert act(house, ops).status_code in {200, 201}


def test_stopping_something_asks_for_nothing_more(house: House) -> None:
    ops = house.grow_cold(house.caller(Role.OPS_SUPPORT))
    assert ops.post("/v1/ops/switches/earn/on", WHY).status_code == 200


def age(house: House, caller: Caller, unused: timedelta) -> None:
    """Let a caller's sessions be unused for a while."""
    at = house.installation.clock.now() - unused
    mine = update(AuthSession).where(AuthSession.user_id == caller.subject).values(used_at=at)
    house.installation.database.run(lambda session: session.execute(mine))


def last_used(house: House, caller: Caller) -> datetime:
    """Return when a caller's session was last used, as far as it is known."""
    mine = select(AuthSession.used_at).where(AuthSession.user_id == caller.subject)
    return house.installation.database.read(lambda session: session.execute(mine).scalar_one())


def test_fifteen_minutes_without_use_end_a_session_of_ops(house: House) -> None:
    ops, authenticator = come_in(house, Role.OPS_FINANCE)
    age(house, ops, timedelta(minutes=14, seconds=50))
    assert goodwill(house, ops).status_code != 401
    age(house, ops, timedelta(minutes=15))
    assert_problem(goodwill(house, ops), 401, "session-ended")
    assert_problem(ops.post("/v1/auth/step-up/passkey/options"), 401, "session-ended")
    assert sign_in(house, authenticator).get("/v1/me").status_code == 200


def test_use_keeps_a_session_of_ops_and_others_last_without_it(house: House) -> None:
    ops, driver = house.caller(Role.OPS_SUPPORT), house.driver()
    for caller in (ops, driver):
        age(house, caller, timedelta(minutes=14))
        assert caller.get("/v1/me").status_code == 200
    now = house.installation.clock.now()
    assert now - last_used(house, ops) < timedelta(minutes=1)
    assert now - last_used(house, driver) > timedelta(minutes=13)
    age(house, driver, timedelta(hours=20))
    assert driver.get("/v1/me").status_code == 200


def test_a_session_of_ops_that_lay_unused_is_not_refreshed(house: House) -> None:
    now, subject = house.installation.clock.now(), new_id()

    def unit(session: Session) -> str:
        grant_role(session, subject, Membership(Role.OPS_SUPPORT), granted_by="test", now=now)
        opened = house.installation.sessions.open(session, subject, amr=("passkey",), now=now)
        return opened.refresh_token

    token = house.installation.database.run(unit)
    mine = Caller(house.client, "", new_id(), subject)
    age(house, mine, timedelta(minutes=14))
    renewed = house.client.post("/v1/auth/refresh", json={"refresh_token": token})
    assert renewed.status_code == 200
    age(house, mine, timedelta(minutes=15))
    again = house.client.post("/v1/auth/refresh", json={"refresh_token": renewed.json()["refresh_token"]})
    assert_problem(again, 401, "invalid-refresh-token")


def test_whoever_becomes_ops_comes_in_anew(house: House) -> None:
    person, admin = house.user(), house.caller(Role.OPS_ADMIN)
    body = {"user_id": str(person.subject), "give": "ops:support", "reason": "nights"}
    assert admin.post("/v1/ops/roles", body).status_code in {200, 201}
    assert_problem(person.post("/v1/auth/logout"), 401, "session-ended")
    assert admin.get("/v1/ops/switches").status_code == 200
