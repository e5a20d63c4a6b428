"""Ops give roles and take them, never to themselves."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field, model_validator

from nerava.identity import granting
from nerava.identity.granting import HeldRole, NotYoursToGive, SelfGrant, UnknownRole, UnknownUser
from nerava.identity.roles import Membership, Role
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body, Name
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("ops: roles")

_CHANGES: Final = Policy(
    roles=("ops:admin",), scope="roles:write", repeats=Repeats.BY_MEANING, step_up=StepUp.PASSKEY
)


class GivenRoleIn(Body):
    """A role that a user is to have. Drivers become so by signing up, partners have API keys."""

    user_id: UUID
    give: Literal[
        "sponsor",
        "merchant:owner",
        "merchant:manager",
        "merchant:register",
        "ops:support",
        "ops:finance",
        "ops:admin",
    ]
    held_for: UUID | None = Field(default=None, description="The sponsor or merchant; none for ops")
    reason: Name = Field(description="For the audit log; no names of people, no contacts")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if Role(self.give).has_tenant == (self.held_for is None):
            message = "say for which sponsor or merchant; a role of ops is held for none"
            raise ValueError(message)
        return self


class HeldRoleOut(BaseModel):
    """A role that a user has."""

    id: UUID
    user_id: UUID
    role: Role
    tenant_id: UUID | None
    granted_by: str
    granted_at: datetime

    @classmethod
    def of(cls, held: HeldRole) -> HeldRoleOut:
        """Return the wire form of a role."""
        return cls(
            id=held.id,
            user_id=held.user_id,
            role=held.membership.role,
            tenant_id=held.membership.tenant_id,
            granted_by=held.granted_by,
            granted_at=held.granted_at,
        )


class HeldRolesOut(BaseModel):
    """The roles of one user."""

    roles: list[HeldRoleOut]


@routes.get("/ops/roles", summary="The roles of a user")
@guarded(Policy(roles=("ops:support", "ops:admin"), scope="roles:read"))
def roles_of_user(user_id: Annotated[UUID, Query()], wired: Wired) -> HeldRolesOut:
    """Return every role of a user; none for an unknown one."""
    found = wired.database.read(lambda session: granting.roles_held(session, user_id))
    return HeldRolesOut(roles=[HeldRoleOut.of(one) for one in found])


@routes.post(
    "/ops/roles",
    summary="Give somebody a role",
    responses=problems(SelfGrant, NotYoursToGive, UnknownUser),
)
@guarded(_CHANGES)
def give(body: GivenRoleIn, actor: Acting, wired: Wired, now: Now) -> HeldRoleOut:
    """Give a role to a user with an account. A role given twice is one; the first grant stands."""
    membership = Membership(Role(body.give), body.held_for)
    held = wired.database.run(
        lambda session: granting.give_role(
            session, actor, body.user_id, membership, reason=body.reason, now=now
        ),
        repeatable=True,
    )
    return HeldRoleOut.of(held)


@routes.delete(
    "/ops/roles/{role_id}",
    summary="Take a role away",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownRole),
)
@guarded(_CHANGES)
def take(role_id: UUID, reason: Annotated[Name, Query()], actor: Acting, wired: Wired, now: Now) -> None:
    """End a role: refused at once for writes, within a second for reads."""
    wired.database.run(lambda session: granting.take_role(session, actor, role_id, reason=reason, now=now))
