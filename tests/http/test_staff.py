"""Merchants and sponsors let their own people in; nobody lets themselves in anywhere."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import exc, select, update

from nerava.audit import model as audit_log
from nerava.identity.access_store import Invite
from nerava.identity.roles import Membership, Role
from nerava.identity.service import revoke_role
from nerava.kernel.ids import new_id
from tests.helpers.parallel import in_parallel
from tests.http.rows import rows_of
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House


def invite(owner: Caller, invited_as: str = "merchant:manager", **more: Any) -> Any:
    """Invite somebody."""
    return owner.post("/v1/invites", {"invited_as": invited_as}, **more)


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
    owner, person = house.caller(Role.MERCHANT_OWNER), house.driver()
    made = invite(owner).json()
    assert [one["id"] for one in owner.get("/v1/invites").json()["invites"]] == [made["id"]]

    taken = accept(person, made["token"])

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


def test_of_sixteen_with_one_invitation_one_comes_in(house: House) -> None:
    owner = house.caller(Role.SPONSOR)
    crowd = [house.driver() for _ in range(16)]
    token = invite(owner, "sponsor").json()["token"]

    answers = in_parallel(16, lambda number: accept(crowd[number], token))

    assert [one.status_code for one in answers].count(200) == 1
    assert {one.json()["code"] for one in answers if one.status_code != 200} == {"invite-not-valid"}
    assert len(owner.get("/v1/staff").json()["staff"]) == 2


def test_nobody_accepts_their_own_invitation(house: House) -> None:
    owner, person = house.caller(Role.MERCHANT_OWNER), house.driver()
    made = invite(owner).json()

    assert_problem(accept(owner, made["token"]), 403, "self-grant")
    forged = (
        update(Invite)
        .where(Invite.id == UUID(made["id"]))
        .values(used_by=owner.subject, used_at=house.installation.clock.now())
    )
    with pytest.raises(exc.IntegrityError, match="two_people"):
        house.installation.database.run(lambda session: session.execute(forged))
    assert accept(person, made["token"]).status_code == 200


def test_an_invitation_that_is_over_lets_nobody_in_and_does_not_say_why(house: House) -> None:
    owner, late, gone = (house.caller(Role.MERCHANT_OWNER) for _ in range(3))
    database, now = house.installation.database, house.installation.clock.now()
    tokens = [invite(one).json() for one in (owner, late, gone)]
    assert remove(house, owner, f"/v1/invites/{tokens[0]['id']}").status_code == 204
    lived = {"made_at": now - timedelta(days=8), "expires_at": now - timedelta(days=1)}
    expired = update(Invite).where(Invite.id == UUID(tokens[1]["id"])).values(lived)
    database.run(lambda session: session.execute(expired))
    held = Membership(Role.MERCHANT_OWNER, gone.tenant_id)
    database.run(lambda session: revoke_role(session, gone.subject, held))

    for made in [*tokens, {"token": "nvi_guessed"}]:
        assert_problem(accept(house.driver(), made["token"]), 404, "invite-not-valid")
    assert_problem(remove(house, owner, f"/v1/invites/{tokens[0]['id']}"), 404, "unknown-invite")


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


def test_a_token_is_shown_once_and_kept_as_a_hash(house: House) -> None:
    owner = house.caller(Role.MERCHANT_OWNER)
    first = invite(owner, key="k").json()
    again = invite(owner, key="k")
    assert (again.status_code, again.json()) == (201, first | {"token": None})
    stored = str(rows_of(house))
    assert first["token"] not in stored
    assert hashlib.sha256(first["token"].encode()).hexdigest() in stored


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
