"""Contacts and linked accounts over HTTP: what a fresh proof opens, and what nobody learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nerava.identity.roles import Role
from tests.http.rows import rows_of
from tests.http.test_exports import give_contact
from tests.http.test_factors import google_house
from tests.http.test_problems import assert_problem
from tests.http.test_signing_in import MAIL, inbox_of

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

__all__ = ["google_house"]

BOB = "bob@example.org"
CODES = "/v1/me/contacts/codes"
NOBODYS = "01936f00-0000-7000-8000-000000000000"


def delete(caller: Caller, path: str) -> Any:
    """Send a DELETE."""
    return caller.client.delete(path, headers=caller.headers())


def ask(caller: Caller, to: str = MAIL) -> Any:
    """Ask for a code to a new contact."""
    return caller.post(CODES, {"channel": "email", "to": to})


def verify(house: House, caller: Caller, asked: dict[str, str], to: str = MAIL) -> Any:
    """Bring the code that arrived."""
    body = {"code": inbox_of(house, to)[-1][:6], "client_token": asked["client_token"]}
    return caller.post(f"{CODES}/{asked['challenge_id']}/verify", body)


def test_a_contact_is_added_listed_and_removed_but_not_the_last(house: House) -> None:
    ann = house.user()
    give_contact(house, ann, BOB)
    asked = ask(ann)
    assert asked.status_code == 202

    added = verify(house, ann, asked.json())

    assert (added.status_code, added.json()["kind"], added.json()["value"]) == (200, "email", MAIL)
    listed = ann.get("/v1/me/contacts").json()["contacts"]
    assert [one["value"] for one in listed] == [BOB, MAIL]
    assert inbox_of(house, BOB)[-1].startswith("An e-mail address was added")
    assert MAIL not in str(rows_of(house))
    assert delete(ann, f"/v1/me/contacts/{listed[0]['id']}").status_code == 204
    assert_problem(delete(ann, f"/v1/me/contacts/{listed[1]['id']}"), 409, "last-contact")


def test_asking_says_nothing_about_whose_a_contact_is(house: House) -> None:
    bob, ann = house.user(), house.user()
    give_contact(house, bob, BOB)
    taken, free = ask(ann, BOB), ask(ann, MAIL)
    assert taken.status_code == free.status_code == 202
    assert taken.json().keys() == free.json().keys()
    assert_problem(verify(house, ann, taken.json(), BOB), 409, "contact-taken")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", CODES),
        ("POST", f"{CODES}/{NOBODYS}/verify"),
        ("DELETE", f"/v1/me/contacts/{NOBODYS}"),
        ("POST", "/v1/me/identities/nonces"),
        ("POST", "/v1/me/identities"),
        ("DELETE", f"/v1/me/identities/{NOBODYS}"),
    ],
)
def test_every_change_takes_a_fresh_proof(sqlite_house: House, method: str, path: str) -> None:
    cold = sqlite_house.grow_cold(sqlite_house.user())
    answer = cold.client.request(method, path, json={}, headers=cold.headers())
    assert assert_problem(answer, 403, "step-up-required")["step_up"] == "strong"


def test_google_is_linked_and_unlinked_unless_it_is_the_last_way_in(google_house: tuple[House, Any]) -> None:
    house, issuer = google_house
    ann = house.user()

    def link(caller: Caller) -> Any:
        begun = caller.post("/v1/me/identities/nonces", {"provider": "google"}).json()
        token = issuer.token(begun.pop("nonce"), house.installation.clock.now().timestamp())
        begun.pop("expires_at")
        return caller.post("/v1/me/identities", begun | {"id_token": token})

    linked = link(ann)
    assert (linked.status_code, linked.json()["provider"]) == (201, "google")
    assert ann.get("/v1/me/identities").json()["identities"] == [linked.json()]
    assert_problem(link(house.user()), 409, "identity-taken")
    path = f"/v1/me/identities/{linked.json()['id']}"
    assert_problem(delete(ann, path), 409, "last-way-in")
    give_contact(house, ann)
    assert delete(ann, path).status_code == 204
    assert_problem(delete(ann, path), 404, "not-found")


def test_who_acts_without_an_account_has_nothing_to_add_to(sqlite_house: House) -> None:
    ops = sqlite_house.caller(Role.OPS_ADMIN)
    assert_problem(ask(ops), 409, "no-account")
