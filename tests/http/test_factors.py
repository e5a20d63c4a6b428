"""Factors over HTTP: added, shown again and removed; signed in with; and off where nothing is set up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from nerava.app import create_app
from nerava.identity.messages import MethodOff
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.installation import proving_of
from nerava.kernel.ids import new_id
from nerava.settings import IssuerSettings, PasskeySettings, Settings
from tests.helpers.authenticator import Authenticator, Bent
from tests.helpers.issuer import CLIENT, open_issuer
from tests.http.conftest import Caller, House
from tests.http.flows import app_code
from tests.http.test_problems import assert_problem
from tests.http.test_signing_in import MAIL, ask, inbox_of, verify

pytestmark = pytest.mark.in_turn

HERE = Bent(origin="http://localhost:8000")


@dataclass(frozen=True)
class Person:
    """Somebody who signed in by mail."""

    caller: Caller
    opened: dict[str, Any]


@pytest.fixture
def ann(house: House) -> Person:
    asked = ask(house, MAIL, "email").json()
    opened = verify(house, asked, inbox_of(house, MAIL)[-1][:6]).json()
    return Person(_caller(house, opened), opened)


def _caller(house: House, opened: dict[str, Any]) -> Caller:
    claims = house.installation.tokens.verify(opened["access_token"])
    return Caller(house.client, opened["access_token"], new_id(), claims.subject)


def _add_passkey(caller: Caller, authenticator: Authenticator) -> Any:
    begun = caller.post("/v1/me/factors/passkeys/options", {"label": "laptop"}).json()
    credential = authenticator.make(begun["public_key"], HERE)
    # What browsers send beside it is not looked at.
    credential |= {"authenticatorAttachment": "platform", "clientExtensionResults": {}}
    credential["response"] |= {"transports": ["internal"], "publicKeyAlgorithm": -7}
    body = {"ceremony_id": begun["ceremony_id"], "label": "laptop", "credential": credential}
    return caller.post("/v1/me/factors/passkeys", body)


def _sign_in(house: House, authenticator: Authenticator) -> Any:
    begun = house.client.post("/v1/auth/passkeys/options").json()
    body = {
        "ceremony_id": begun["ceremony_id"],
        "credential": authenticator.answer(begun["public_key"], HERE),
    }
    return house.client.post("/v1/auth/passkeys/verify", json=body)


def test_an_app_is_set_up_shown_and_removed(house: House, ann: Person) -> None:
    waiting = ann.caller.post("/v1/me/factors/totp", {"label": "my phone"})
    assert waiting.status_code == 201
    assert waiting.json()["uri"].startswith("otpauth://totp/Nerava%3Amy%20phone?secret=")
    secret, factor_id = waiting.json()["secret"], waiting.json()["factor_id"]
    assert ann.caller.get("/v1/me/factors").json() == {"factors": []}
    code = app_code(house, secret)
    confirmed = ann.caller.post(f"/v1/me/factors/totp/{factor_id}/confirm", {"code": code})
    assert confirmed.json() == {"factor_id": factor_id}
    [listed] = ann.caller.get("/v1/me/factors").json()["factors"]
    assert (listed["id"], listed["kind"], listed["label"]) == (factor_id, "totp", "my phone")

    refused = ann.caller.client.delete(f"/v1/me/factors/{factor_id}", headers=ann.caller.headers())
    assert assert_problem(refused, 403, "step-up-required")["step_up"] == "strong"
    assert_problem(ann.caller.post("/v1/auth/step-up/totp", {"code": code}), 403, "factor-wrong")
    shown = ann.caller.post("/v1/auth/step-up/totp", {"code": app_code(house, secret, 1)})
    assert shown.json()["level"] == "strong"
    gone = ann.caller.client.delete(f"/v1/me/factors/{factor_id}", headers=ann.caller.headers())
    assert gone.status_code == 204
    assert inbox_of(house, MAIL)[-1].startswith("The authenticator app was removed")


def test_a_passkey_is_added_signs_in_and_is_shown_again(house: House, ann: Person) -> None:
    authenticator = Authenticator()
    assert _add_passkey(ann.caller, authenticator).status_code == 201
    opened = _sign_in(house, authenticator)
    assert opened.status_code == 200
    again = _caller(house, opened.json())
    assert again.subject == ann.caller.subject
    assert house.installation.tokens.verify(again.token).methods == ("passkey",)
    begun = ann.caller.post("/v1/auth/step-up/passkey/options").json()
    body = {
        "ceremony_id": begun["ceremony_id"],
        "credential": authenticator.answer(begun["public_key"], HERE),
    }
    assert ann.caller.post("/v1/auth/step-up/passkey", body).json()["level"] == "passkey"
    assert_problem(ann.caller.post("/v1/auth/step-up/passkey", body), 403, "factor-wrong")


def test_a_page_of_another_origin_gets_nothing_with_a_passkey(house: House, ann: Person) -> None:
    authenticator = Authenticator()
    _add_passkey(ann.caller, authenticator)
    begun = house.client.post("/v1/auth/passkeys/options").json()
    answer = authenticator.answer(begun["public_key"], Bent(origin="http://localhost:8001"))
    body = {"ceremony_id": begun["ceremony_id"], "credential": answer}
    assert_problem(house.client.post("/v1/auth/passkeys/verify", json=body), 401, "passkey-refused")


def test_a_change_of_factors_is_refused_to_other_sessions_at_once(house: House, ann: Person) -> None:
    def unit(session: Any) -> Any:
        installation = house.installation
        return installation.sessions.open(
            session, ann.caller.subject, amr=("email",), now=installation.clock.now()
        )

    other = house.installation.database.run(unit)
    assert _add_passkey(ann.caller, Authenticator()).status_code == 201
    answer = house.client.post("/v1/auth/logout", headers={"Authorization": f"Bearer {other.access_token}"})
    assert_problem(answer, 401, "session-ended")
    assert ann.caller.get("/v1/me").status_code == 200


def test_ops_come_in_by_a_link_that_counts_as_a_passkey_for_five_minutes(house: House) -> None:
    ops, now = new_id(), house.installation.clock.now()
    house.installation.database.run(
        lambda session: grant_role(session, ops, Membership(Role.OPS_ADMIN), granted_by="test", now=now)
    )
    token = proving_of(house.installation).ops_links.make(ops, now)
    opened = house.client.post("/v1/auth/ops-links/consume", json={"token": token})
    assert opened.status_code == 200
    caller = _caller(house, opened.json())
    assert caller.get("/v1/ops/accounts/platform:promo").status_code in {200, 404}
    body = {"user_id": str(new_id()), "give": "ops:support", "reason": "covers for the night"}
    assert_problem(caller.post("/v1/ops/roles", body), 404, "unknown-user")
    answer = house.grow_cold(caller).post("/v1/ops/roles", body)
    assert assert_problem(answer, 403, "step-up-required")["step_up"] == "passkey"
    again = house.client.post("/v1/auth/ops-links/consume", json={"token": token})
    assert_problem(again, 401, "ops-link-over")


def test_what_is_not_set_up_is_off_and_says_so(sqlite_house: House) -> None:
    for provider in ("google", "apple"):
        answer = sqlite_house.client.post("/v1/auth/id-tokens/nonces", json={"provider": provider})
        assert_problem(answer, 503, "method-off")


def test_under_production_rules_links_are_off_and_passkeys_need_a_domain(sqlite_house: House) -> None:
    strict = replace(sqlite_house.installation, settings=Settings(env="production"))
    proving = proving_of(strict)
    with pytest.raises(MethodOff):
        _ = proving.ops_links
    with pytest.raises(MethodOff):
        proving.passkeys.begin_sign_in(strict.clock.now())
    domain = PasskeySettings(domain="nerava.example", origins="https://app.nerava.example")
    named = replace(strict, settings=Settings(env="production", passkeys=domain))
    ceremony = proving_of(named).passkeys.begin_sign_in(strict.clock.now())
    assert ceremony.options["rpId"] == "nerava.example"


@pytest.mark.parametrize(
    ("domain", "origins"),
    [
        ("nerava.example", None),
        (None, "https://nerava.example"),
        ("nerava.example", "http://nerava.example"),
        ("nerava.example", "https://nerava.example.evil.example"),
        ("nerava.example", "https://evilnerava.example"),
        ("nerava.example", "https://nerava.example/"),
        ("nerava.example", "https://nerava.example, https://other.example"),
    ],
)
def test_origins_of_passkeys_are_of_their_domain(domain: str | None, origins: str | None) -> None:
    with pytest.raises(ValueError, match="must be origins such as"):
        PasskeySettings(domain=domain, origins=origins)


@pytest.fixture
def google_house(sqlite_house: House) -> Iterator[tuple[House, Any]]:
    with open_issuer() as issuer:
        google = IssuerSettings(client_ids=f"other.client, {CLIENT}", keys_url=issuer.url)
        settings = sqlite_house.installation.settings.model_copy(update={"google": google})
        installation = replace(sqlite_house.installation, settings=settings)
        app = create_app(settings, installation)
        yield House(installation, app, TestClient(app), sqlite_house.books), issuer


def test_somebody_signs_in_by_googles_word(google_house: tuple[House, Any]) -> None:
    house, issuer = google_house
    begun = house.client.post("/v1/auth/id-tokens/nonces", json={"provider": "google"}).json()
    token = issuer.token(begun["nonce"], house.installation.clock.now().timestamp())
    body = {"state_id": begun["state_id"], "client_token": begun["client_token"], "id_token": token}
    forged = house.client.post("/v1/auth/id-tokens", json=body | {"id_token": f"{token[:-6]}AAAAAA"})
    assert_problem(forged, 401, "invalid-id-token")
    opened = house.client.post("/v1/auth/id-tokens", json=body)
    assert opened.status_code == 200
    headers = {"Authorization": f"Bearer {opened.json()['access_token']}"}
    [role] = house.client.get("/v1/me", headers=headers).json()["roles"]
    assert role["role"] == "driver"
    assert UUID(role["tenant_id"])
    assert_problem(house.client.post("/v1/auth/id-tokens", json=body), 401, "invalid-id-token")
