"""Merchants and sponsors let their own people in; nobody lets themselves in anywhere."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import exc, select, update

from nerava.audit import model as audit_log
from nerava.identity import invites
from nerava.identity.access_store import Invite
from nerava.identity.roles import Membership, Role
from nerava.identity.service import revoke_role
from nerava.kernel.ids import new_id
from tests.helpers.parallel import in_parallel
from tests.http.rows import rows_of
from tests.http.test_exports import give_contact
from tests.http.test_problems import assert_problem
from tests.http.test_signing_in import MAIL, inbox_of

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

pytestmark = pytest.mark.in_turn


def invite(owner: Caller, invited_as: str = "merchant:manager", to: str = MAIL, **more: Any) -> Any:
    """Invite somebody."""
    channel = "email" if "@" in to else "sms"
    return owner.post("/v1/invites", {"invited_as": invited_as, "channel": channel, "to": to}, **more)


def received(house: House, to: str = MAIL) -> str:
    """Return the token of the last invitation that arrived there, after the worker has run."""
    return inbox_of(house, to)[-1].rpartition(" ")[2]


def reached_at(house: House, to: str = MAIL) -> Caller:
    """Return somebody new with an account and this verified mailbox."""
    person = house.user()
    give_contact(house, person, to)
    return person


def accept(caller: Caller, token: str) -> Any:
    """Accept an invitation."""
    return caller.post("/v1/invites/accept", {"token": token})


def remove(house: House, caller: Caller, path: str, **query: str) -> Any:
    """Send a DELETE."""
    return house.client.delete(path, headers=caller.headers(), params=query)


def roles(caller: Caller) -> list[dict[str, str]]:
    """Return the roles of a caller, as the caller is told."""
    found: list[dict[str, str]] = caller.get("/v1/me").json()["roles"]
    return found


def fresh(house: House, caller: Caller, role: Role) -> Caller:
    """Return the same person after another sign-in, whose token covers a role they have got."""
    now = house.installation.clock.now()
    sessions, database = house.installation.sessions, house.installation.database
    token = database.run(lambda session: sessions.open_command(session, caller.subject, role, now))
    return type(caller)(caller.client, token, caller.tenant_id, caller.subject)


def test_an_owner_invites_and_the_invited_works_until_dismissed(house: House) -> None:
    owner, person = house.caller(Role.MERCHANT_OWNER), reached_at(house)
    made = invite(owner).json()
    assert made.keys() == {"id", "invited_as", "expires_at"}
    [listed] = owner.get("/v1/invites").json()["invites"]
    assert (listed["id"], listed["channel"], listed["to"]) == (made["id"], "email", MAIL)

    taken = accept(person, received(house))

    expected = {"role": "merchant:manager", "tenant_id": str(owner.tenant_id)}
    assert (taken.status_code, taken.json()) == (200, expected)
    assert expected in roles(fresh(house, person, Role.DRIVER))
    assert owner.get("/v1/invites").json()["invites"] == []
    (member,) = owner.get("/v1/staff").json()["staff"]
    assert (member["user_id"], member["role"]) == (str(person.subject), "merchant:manager")
    assert remove(house, owner, f"/v1/staff/{member['id']}").status_code == 204
    assert expected not in roles(fresh(house, person, Role.DRIVER))
    assert_problem(remove(house, owner, f"/v1/staff/{member['id']}"), 404, "unknown-role")
    entry = audit_log.entry.c
    actions = select(entry.action, entry.actor_id).order_by(entry.id)
    told = house.installation.database.read(lambda session: session.execute(actions).all())
    assert [tuple(row) for row in told] == [
        ("invite.made", str(owner.subject)),
        ("invite.accepted", str(person.subject)),
        ("role.given", str(person.subject)),
        ("role.taken", str(owner.subject)),
    ]


def test_of_sixteen_who_accept_one_invitation_at_once_one_does(house: House) -> None:
    owner, person = house.caller(Role.SPONSOR), reached_at(house)
    assert invite(owner, "sponsor").status_code == 201
    token = received(house)

    answers = in_parallel(16, lambda _: accept(person, token))

    assert [one.status_code for one in answers].count(200) == 1
    assert {one.json()["code"] for one in answers if one.status_code != 200} == {"invite-not-valid"}
    assert len(owner.get("/v1/staff").json()["staff"]) == 2


def test_nobody_accepts_their_own_invitation(house: House) -> None:
    person = reached_at(house)
    owner = house.caller(Role.MERCHANT_OWNER, subject=person.subject)
    other = house.caller(Role.MERCHANT_OWNER, owner.tenant_id)
    made = invite(owner).json()

    assert_problem(accept(owner, received(house)), 403, "self-grant")
    used = {"used_by": owner.subject, "used_at": house.installation.clock.now()}
    wiped = {"contact_kind": None, "contact_ix": None, "contact_sealed": None}
    forged = update(Invite).where(Invite.id == UUID(made["id"])).values(**used, **wiped)
    with pytest.raises(exc.IntegrityError, match="two_people"):
        house.installation.database.run(lambda session: session.execute(forged))
    assert invite(other).status_code == 201
    assert accept(person, received(house)).status_code == 200


def test_an_invitation_is_worth_nothing_to_whom_it_was_not_sent(house: House) -> None:
    owner, other = house.caller(Role.MERCHANT_OWNER), reached_at(house, "bob@example.org")
    assert invite(owner).status_code == 201
    token = received(house)

    for stranger in (other, house.driver(), house.caller(Role.MERCHANT_OWNER)):
        assert_problem(accept(stranger, token), 404, "invite-not-valid")

    assert accept(reached_at(house), token).status_code == 200


def test_inviting_says_nothing_about_who_is_known_and_has_its_limits(house: House) -> None:
    owner, person = house.caller(Role.MERCHANT_OWNER), reached_at(house)
    known, unknown = invite(owner), invite(owner, to="nobody@example.org")
    assert known.json().keys() == unknown.json().keys()
    assert known.status_code == unknown.status_code == 201
    assert_problem(invite(owner, to="nobody"), 422, "contact-invalid")
    others = [house.caller(Role.MERCHANT_OWNER) for _ in range(3)]
    assert [invite(one).status_code for one in others] == [201, 201, 429]
    assert len(inbox_of(house, MAIL)) == 3
    assert accept(person, received(house)).status_code == 200


def test_an_invitation_by_sms_goes_where_codes_may_go(house: House) -> None:
    owner = house.caller(Role.MERCHANT_OWNER)
    for to in ("+12025550123", "+4915112345678"):
        assert invite(owner, to=to).status_code == 201
    assert received(house, "+12025550123").startswith("nvi_")
    assert inbox_of(house, "+4915112345678") == []


def test_an_invitation_that_is_over_lets_nobody_in_and_does_not_say_why(house: House) -> None:
    owner, late, gone = (house.caller(Role.MERCHANT_OWNER) for _ in range(3))
    database, now = house.installation.database, house.installation.clock.now()
    people = {f"{name}@example.org": one for name, one in zip("abc", (owner, late, gone), strict=True)}
    made = [invite(one, to=to).json() for to, one in people.items()]
    tokens = {to: received(house, to) for to in people}
    assert remove(house, owner, f"/v1/invites/{made[0]['id']}").status_code == 204
    lived = {"made_at": now - timedelta(days=8), "expires_at": now - timedelta(days=1)}
    expired = update(Invite).where(Invite.id == UUID(made[1]["id"])).values(lived)
    database.run(lambda session: session.execute(expired))
    held = Membership(Role.MERCHANT_OWNER, gone.tenant_id)
    database.run(lambda session: revoke_role(session, gone.subject, held))

    for to, token in tokens.items():
        assert_problem(accept(reached_at(house, to), token), 404, "invite-not-valid")
    assert_problem(accept(house.user(), "nvi_guessed"), 404, "invite-not-valid")
    assert_problem(remove(house, owner, f"/v1/invites/{made[0]['id']}"), 404, "unknown-invite")


def test_nothing_is_kept_of_whom_an_invitation_was_for_when_it_is_over(house: House) -> None:
    owner, person = house.caller(Role.MERCHANT_OWNER), reached_at(house)
    gone = invite(owner, to="gone@example.org").json()
    assert invite(owner, to="late@example.org").status_code == invite(owner).status_code == 201
    assert accept(person, received(house)).status_code == 200
    assert remove(house, owner, f"/v1/invites/{gone['id']}").status_code == 204
    database, later = house.installation.database, house.installation.clock.now() + timedelta(days=7)

    assert database.run(lambda session: invites.end_expired(session, later)) == 1
    assert database.run(lambda session: invites.end_expired(session, later)) == 0
    kept = select(Invite.contact_kind, Invite.contact_ix, Invite.contact_sealed)
    found = database.read(lambda session: session.execute(kept).all())
    assert [tuple(row) for row in found] == [(None, None, None)] * 3


@pytest.mark.parametrize(
    ("role", "invited_as", "status"),
    [
        (Role.MERCHANT_OWNER, "merchant:register", 201),
        (Role.MERCHANT_OWNER, "sponsor", 403),
        (Role.MERCHANT_OWNER, "merchant:owner", 422),
        (Role.MERCHANT_OWNER, "ops:admin", 422),
        (Role.SPONSOR, "sponsor", 201),
        (Role.SPONSOR, "merchant:manager", 403),
        (Role.MERCHANT_MANAGER, "merchant:register", 403),
        (Role.OPS_ADMIN, "merchant:manager", 403),
    ],
)
def test_everybody_invites_only_whom_they_may(
    sqlite_house: House, role: Role, invited_as: str, status: int
) -> None:
    assert invite(sqlite_house.caller(role), invited_as).status_code == status


def test_an_owner_dismisses_no_owner_and_nobody_elsewhere(house: House) -> None:
    owner, stranger = house.caller(Role.MERCHANT_OWNER), house.caller(Role.MERCHANT_OWNER)
    partner = house.caller(Role.MERCHANT_OWNER, owner.tenant_id)
    house.caller(Role.MERCHANT_REGISTER, stranger.tenant_id)
    (register,) = stranger.get("/v1/staff").json()["staff"]
    admin = house.caller(Role.OPS_ADMIN)
    held = admin.get("/v1/ops/roles", params={"user_id": str(partner.subject)}).json()["roles"]
    for role_id in (held[0]["id"], register["id"]):
        assert_problem(remove(house, owner, f"/v1/staff/{role_id}"), 404, "unknown-role")
    assert owner.get("/v1/staff").json()["staff"] == []


def test_an_invitation_asked_for_twice_is_sent_once_and_kept_as_a_hash(house: House) -> None:
    owner = house.caller(Role.MERCHANT_OWNER)
    first, again = invite(owner, key="k"), invite(owner, key="k")
    assert (again.status_code, again.content) == (201, first.content)
    token, stored = received(house), str(rows_of(house))
    assert len(inbox_of(house, MAIL)) == 1
    assert token not in stored
    assert MAIL not in stored
    assert hashlib.sha256(token.encode()).hexdigest() in stored


def test_changing_staff_takes_a_fresh_proof(sqlite_house: House) -> None:
    cold = sqlite_house.grow_cold(sqlite_house.caller(Role.MERCHANT_OWNER))
    assert_problem(invite(cold), 403, "step-up-required")
    for path in (f"/v1/invites/{new_id()}", f"/v1/staff/{new_id()}"):
        assert_problem(remove(sqlite_house, cold, path), 403, "step-up-required")


def give(admin: Caller, user_id: UUID, given: str, held_for: UUID | None = None) -> Any:
    """Give a role as ops."""
    body = {"user_id": str(user_id), "give": given, "reason": "joined the team"}
    return admin.post("/v1/ops/roles", body if held_for is None else body | {"held_for": str(held_for)})


def test_ops_give_and_take_roles_with_a_reason(house: House) -> None:
    admin, person, merchant_id = house.caller(Role.OPS_ADMIN), house.user(), new_id()

    given = give(admin, person.subject, "merchant:owner", merchant_id)
    again = give(house.caller(Role.OPS_ADMIN), person.subject, "merchant:owner", merchant_id)

    assert (given.status_code, again.json()) == (200, given.json())
    assert given.json()["granted_by"] == f"ops:admin:{admin.subject}"
    owner = fresh(house, person, Role.MERCHANT_OWNER)
    assert owner.get("/v1/staff").status_code == 200
    path = f"/v1/ops/roles/{given.json()['id']}"
    assert remove(house, admin, path).status_code == 422
    assert remove(house, admin, path, reason="left").status_code == 204
    assert_problem(remove(house, admin, path, reason="left"), 404, "unknown-role")
    assert_problem(invite(owner), 403, "role-not-allowed")
    entry = audit_log.entry.c
    rows = select(entry.action, entry.reason, entry.tenant_id).where(entry.object_id == str(person.subject))
    told = house.installation.database.read(lambda session: session.execute(rows.order_by(entry.id)).all())
    assert [tuple(row) for row in told] == [
        ("role.given", "joined the team", str(merchant_id)),
        ("role.taken", "left", str(merchant_id)),
    ]


def test_sixteen_who_give_one_role_at_once_give_it_once(house: House) -> None:
    person, crowd = house.user(), [house.caller(Role.OPS_ADMIN) for _ in range(16)]
    answers = in_parallel(16, lambda number: give(crowd[number], person.subject, "ops:support"))
    assert {one.status_code for one in answers} == {200}
    assert len({one.content for one in answers}) == 1
    entry = audit_log.entry.c
    rows = select(entry.id).where(entry.action == "role.given")
    assert len(house.installation.database.read(lambda session: session.execute(rows).all())) == 1


@pytest.mark.parametrize("role", ["ops:admin", "ops:finance", "ops:support"])
def test_ops_give_themselves_nothing(house: House, role: str) -> None:
    admin = house.caller(Role.OPS_ADMIN)
    assert_problem(give(admin, admin.subject, role), 403, "self-grant")
    assert [one["role"] for one in roles(admin)] == ["ops:admin"]


def test_roles_are_given_to_active_accounts_and_fit_what_they_are_held_for(house: House) -> None:
    admin, person = house.caller(Role.OPS_ADMIN), house.user()
    assert_problem(give(admin, new_id(), "ops:support"), 404, "unknown-user")
    for given, held_for in [
        ("ops:support", new_id()),
        ("sponsor", None),
        ("driver", new_id()),
        ("partner", new_id()),
        ("*", None),
    ]:
        assert give(admin, person.subject, given, held_for).status_code == 422, given
    assert [one["role"] for one in roles(person)] == ["driver"]


def test_a_drivers_role_is_not_taken_by_ops(house: House) -> None:
    admin, person = house.caller(Role.OPS_ADMIN), house.user()
    held = admin.get("/v1/ops/roles", params={"user_id": str(person.subject)}).json()["roles"]
    assert [one["role"] for one in held] == ["driver"]
    path = f"/v1/ops/roles/{held[0]['id']}"
    assert_problem(remove(house, admin, path, reason="x"), 404, "unknown-role")


def test_giving_roles_takes_a_passkey_of_the_last_five_minutes(sqlite_house: House) -> None:
    cold = sqlite_house.grow_cold(sqlite_house.caller(Role.OPS_ADMIN))
    answer = give(cold, sqlite_house.user().subject, "ops:support")
    assert_problem(answer, 403, "step-up-required")
    assert answer.json()["step_up"] == "passkey"
