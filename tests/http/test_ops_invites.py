"""The first person of ops comes in with a link made on the server, adds a passkey, and signs in with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from nerava.audit import model
from nerava.identity.messages import MethodOff
from nerava.identity.ops_invites import AdminExists, Call, NotOfOps
from nerava.identity.ops_links import LIFE
from nerava.identity.roles import Role
from nerava.installation import proving_of
from nerava.settings import PasskeySettings, Settings
from tests.helpers.authenticator import Authenticator
from tests.helpers.parallel import in_parallel
from tests.http.rows import rows_of
from tests.http.test_ops_access import HERE, caller_of, sign_in
from tests.http.test_problems import assert_problem
from tests.http.test_signing_in import MAIL, ask, inbox_of, verify

if TYPE_CHECKING:
    from tests.http.conftest import House

BOSS = "boss@example.org"
OPTIONS, ACCEPT = "/v1/auth/ops-invites/options", "/v1/auth/ops-invites/accept"
FIRST = Call("shell:deploy")


def invite(
    house: House,
    call: Call = FIRST,
    *,
    to: str = BOSS,
    role: Role = Role.OPS_ADMIN,
    ago: timedelta = timedelta(),
) -> str:
    """Make an invitation on the server, some time ago."""
    now = house.installation.clock.now() - ago
    return proving_of(house.installation).invites.make(to, role, call, now)


def begin(house: House, token: str) -> Any:
    """Ask for a challenge."""
    return house.client.post(OPTIONS, json={"token": token, "label": "key"})


def accept(house: House, token: str, begun: Any, authenticator: Authenticator) -> Any:
    """Answer a challenge with a new passkey."""
    made = authenticator.make(begun["public_key"], HERE)
    body = {"token": token, "ceremony_id": begun["ceremony_id"], "label": "key", "credential": made}
    return house.client.post(ACCEPT, json=body)


def enrol(house: House, token: str) -> Authenticator:
    """Use an invitation."""
    authenticator = Authenticator()
    answer = accept(house, token, begin(house, token).json(), authenticator)
    assert answer.status_code == 201, answer.text
    return authenticator


def told(house: House, action: str) -> list[tuple[str, str, str | None]]:
    """Return who did something, of what kind, and why."""
    entry = model.entry.c
    found = select(entry.actor_kind, entry.actor_id, entry.reason).where(entry.action == action)
    rows = house.installation.database.read(lambda session: session.execute(found.order_by(entry.id)).all())
    return [tuple(row) for row in rows]


def test_the_first_administrator_comes_in_and_gives_roles(house: House) -> None:
    token = invite(house)
    authenticator = enrol(house, token)
    assert inbox_of(house, BOSS)[-1].startswith("A passkey was added")
    admin, person = sign_in(house, authenticator), house.user()
    body = {"user_id": str(person.subject), "give": "ops:support", "reason": "nights"}
    assert admin.post("/v1/ops/roles", body).status_code in {200, 201}
    assert told(house, "ops_invite.made") == [("system", "shell:deploy", "first of ops")]
    assert [one[1] for one in told(house, "factor.add")] == [str(admin.subject)]
    assert not any(token in row for rows in rows_of(house).values() for row in rows)


def test_a_link_adds_one_passkey_however_many_come_and_signs_nobody_in(house: House) -> None:
    token = invite(house)
    begun = [begin(house, token).json() for _ in range(6)]

    def come(number: int) -> int:
        answer: int = accept(house, token, begun[number], Authenticator()).status_code
        return answer

    assert sorted(in_parallel(6, come)) == [201, 401, 401, 401, 401, 401]
    assert_problem(begin(house, token), 401, "ops-link-over")
    assert len(rows_of(house)["factor_passkey"]) == 1
    assert rows_of(house)["auth_session"] == []


def test_a_link_is_over_after_ten_minutes_and_a_new_one_replaces_it(house: House) -> None:
    late = invite(house, ago=LIFE)
    assert_problem(begin(house, late), 401, "ops-link-over")
    first = invite(house)
    begun = begin(house, first).json()
    second = invite(house, to="other@example.org")
    assert_problem(accept(house, first, begun, Authenticator()), 401, "ops-link-over")
    assert_problem(accept(house, second, begun, Authenticator()), 403, "factor-wrong")
    assert_problem(begin(house, "x" * 43), 401, "ops-link-over")
    enrol(house, second)


def test_where_an_administrator_has_a_passkey_another_link_needs_a_reason(house: House) -> None:
    old = enrol(house, invite(house))
    before = sign_in(house, old)
    for role in (Role.OPS_ADMIN, Role.OPS_SUPPORT):
        with pytest.raises(AdminExists):
            invite(house, role=role)
    token = invite(house, Call("shell:deploy", "the only key was lost"))
    assert_problem(before.post("/v1/auth/logout"), 401, "session-ended")
    after = sign_in(house, enrol(house, token))
    assert after.subject == before.subject
    assert told(house, "ops_invite.made")[-1] == ("system", "shell:deploy", "the only key was lost")


def test_whoever_is_invited_keeps_the_account_and_loses_weaker_sessions(house: House) -> None:
    asked = ask(house, MAIL, "email").json()
    person = caller_of(house, verify(house, asked, inbox_of(house, MAIL)[-1][:6]))
    authenticator = enrol(house, invite(house, to=MAIL.upper()))
    assert_problem(person.post("/v1/auth/logout"), 401, "session-ended")
    assert sign_in(house, authenticator).subject == person.subject


def test_only_roles_of_ops_are_given_so(sqlite_house: House) -> None:
    with pytest.raises(NotOfOps):
        invite(sqlite_house, role=Role.SPONSOR)
    assert rows_of(sqlite_house)["app_user"] == []


def test_under_production_rules_a_link_adds_a_passkey_and_opens_no_session(sqlite_house: House) -> None:
    domain = PasskeySettings(domain="nerava.example", origins="https://app.nerava.example")
    strict = replace(sqlite_house.installation, settings=Settings(env="production", passkeys=domain))
    token = invite(sqlite_house)
    with pytest.raises(MethodOff):
        _ = proving_of(strict).ops_links
    assert begin(replace(sqlite_house, installation=strict), token).status_code == 200
