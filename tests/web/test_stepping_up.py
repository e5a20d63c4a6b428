"""A form that asks for a fresh proof waits, and is sent again once its sender has shown who they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.helpers.authenticator import Authenticator, Bent
from tests.http.flows import cash_out, payee
from tests.web.browser import Browser, browser_of, forms_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

pytestmark = pytest.mark.in_turn

HERE = Bent(origin="http://localhost:8000")


def with_passkey(house: House) -> tuple[Caller, Authenticator]:
    """Return somebody who has a passkey."""
    caller, authenticator = house.user(), Authenticator()
    begun = caller.post("/v1/me/factors/passkeys/options", {"label": "laptop"}).json()
    credential = authenticator.make(begun["public_key"], HERE)
    body = {"ceremony_id": begun["ceremony_id"], "label": "laptop", "credential": credential}
    assert caller.post("/v1/me/factors/passkeys", body).status_code == 201
    return caller, authenticator


def interrupted(house: House, caller: Caller) -> tuple[Browser, str, Any]:
    """Let somebody of finance reject a payout too long after they showed their passkey."""
    browser = browser_of(house, Role.OPS_FINANCE, subject=caller.subject)
    house.grow_cold(caller)
    payout_id = cash_out(*payee(house)).json()["id"]
    path = f"/ops/payouts/{payout_id}"
    answer = browser.submit(path, f"{path}/reject", reason='said "no" <b>twice</b>')
    assert answer.status_code == 403
    assert "Show your passkey again" in text_of(answer.text)
    return browser, payout_id, answer


def state(house: House, payout_id: str) -> str:
    answer = house.caller(Role.OPS_SUPPORT).get(f"/v1/ops/payouts/{payout_id}")
    found: str = answer.json()["payout"]["state"]
    return found


def test_a_form_waits_for_the_passkey_and_is_then_sent_as_it_was(house: House) -> None:
    caller, authenticator = with_passkey(house)
    browser, payout_id, answer = interrupted(house, caller)
    form = next(one for one in forms_of(answer.text) if one.action == "/step-up")
    begun = browser.post("/step-up/options", {"csrf_token": form.fields["csrf_token"]}).json()
    credential = authenticator.answer(begun["public_key"], HERE)
    shown = json.dumps({"ceremony_id": begun["ceremony_id"], "credential": credential})
    confirmed = browser.post("/step-up", {**form.fields, "shown": shown})
    assert confirmed.status_code == 200
    assert "&lt;b&gt;twice&lt;/b&gt;" in confirmed.text
    assert state(house, payout_id) == "requested", "nothing happens until it is sent"
    again = next(one for one in forms_of(confirmed.text) if one.action.endswith("/reject"))
    done = browser.post(again.action, again.fields)
    assert done.headers["location"] == f"/ops/payouts/{payout_id}?said=payout-rejected"
    assert state(house, payout_id) == "canceled"
    assert house.findings() == []


def test_nonsense_instead_of_a_passkey_keeps_the_form_waiting(sqlite_house: House) -> None:
    caller, _ = with_passkey(sqlite_house)
    browser, payout_id, answer = interrupted(sqlite_house, caller)
    form = next(one for one in forms_of(answer.text) if one.action == "/step-up")
    for nonsense in ("", "not json", "[]", '{"ceremony_id": "x", "credential": {}}'):
        refused = browser.post("/step-up", {**form.fields, "shown": nonsense})
        assert refused.status_code == 422, nonsense
        waiting = next(one for one in forms_of(refused.text) if one.action == "/step-up")
        assert waiting.fields["again"] == form.fields["again"]
    forged = {**form.fields, "again": '{"a": ["b"]}', "code": "123456"}
    assert browser.post("/step-up/code", forged).status_code in {403, 404, 409, 422}
    assert state(sqlite_house, payout_id) == "requested"


def test_who_has_no_passkey_is_told_so(sqlite_house: House) -> None:
    browser, _, answer = interrupted(sqlite_house, sqlite_house.caller(Role.OPS_FINANCE))
    form = next(one for one in forms_of(answer.text) if one.action == "/step-up")
    begun = browser.post("/step-up/options", {"csrf_token": form.fields["csrf_token"]})
    assert begun.status_code >= 400
    assert begun.headers["content-type"].startswith("application/json")
    assert begun.json()["title"]


@pytest.mark.parametrize("elsewhere", ["https://evil.example/x", "//evil.example", "javascript:alert(1)"])
def test_a_form_is_never_sent_on_to_another_host(sqlite_house: House, elsewhere: str) -> None:
    caller, authenticator = with_passkey(sqlite_house)
    browser, _, answer = interrupted(sqlite_house, caller)
    form = next(one for one in forms_of(answer.text) if one.action == "/step-up")
    begun = browser.post("/step-up/options", {"csrf_token": form.fields["csrf_token"]}).json()
    credential = authenticator.answer(begun["public_key"], HERE)
    shown = json.dumps({"ceremony_id": begun["ceremony_id"], "credential": credential})
    confirmed = browser.post("/step-up", {**form.fields, "shown": shown, "to": elsewhere})
    assert {one.action for one in forms_of(confirmed.text)} == {"/", "/sign-out"}


def test_keys_of_the_api_do_not_step_up_a_stranger(sqlite_house: House) -> None:
    stranger = Browser(sqlite_house)
    assert stranger.post("/step-up", {"shown": "{}", "to": f"/ops/payouts/{new_id()}"}).status_code == 401
