"""People of ops show a passkey again before money moves and before a stop ends, over HTTP and for real."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.kernel.ids import new_id
from tests.helpers.authenticator import Authenticator, Bent
from tests.http.conftest import Caller
from tests.http.flows import fill_promo, sponsor
from tests.http.test_problems import assert_problem
from tests.http.test_signing_in import MAIL, ask, inbox_of, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import House

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
