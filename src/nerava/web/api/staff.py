"""Merchants and sponsors let their own people in, and out."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.identity import granting
from nerava.identity.contacts import Channel, ContactInvalid, read_contact
from nerava.identity.granting import STAFF_OF, NotYoursToGive, SelfGrant, UnknownRole
from nerava.identity.guard import TenantId
from nerava.identity.invites import InviteNotValid, UnknownInvite
from nerava.identity.messages import MethodOff
from nerava.identity.roles import Role
from nerava.ledger.stops import SwitchedOff
from nerava.platform.idempotency import Answer
from nerava.platform.idempotency_store import once
from nerava.platform.limits import RateLimited
from nerava.platform.pagination import PAGE_MAX
from nerava.platform.policy import ANY_ROLE, Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.keyed import Keyed
from nerava.web.api.signing_in import To
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

routes: Final = router("staff")

_HOUSES: Final = tuple(one.value for one in STAFF_OF)
_READS: Final = Policy(roles=_HOUSES, scope="staff:read")
_CHANGES: Final = Policy(
    roles=_HOUSES, scope="staff:write", repeats=Repeats.BY_MEANING, step_up=StepUp.STRONG
)
_INVITES: Final = Policy(
    roles=_HOUSES, scope="staff:write", repeats=Repeats.KEY_ACCEPTED, step_up=StepUp.STRONG
)


class InviteIn(Body):
    """Somebody who is to work for the merchant or sponsor that you act for."""

    invited_as: Literal["merchant:manager", "merchant:register", "sponsor"]
    channel: Channel
    to: To


class InviteOut(BaseModel):
    """An invitation; it is on its way to the person you mean, and shown to nobody else."""

    id: UUID
    invited_as: Role
    expires_at: datetime


class OpenInviteOut(BaseModel):
    """An invitation that nobody has accepted yet."""

    id: UUID
    invited_as: Role
    channel: Channel
    to: str
    made_by: UUID
    made_at: datetime
    expires_at: datetime


class OpenInvitesOut(BaseModel):
    """The invitations that can still be accepted, the newest first; at most 200."""

    invites: list[OpenInviteOut]


class AcceptIn(Body):
    """An invitation that somebody received."""

    token: Annotated[str, Field(min_length=1, max_length=100)]


class AcceptedOut(BaseModel):
    """The role that the caller has now; access tokens cover it from the next refresh on."""

    role: Role
    tenant_id: UUID


class StaffMemberOut(BaseModel):
    """Somebody who works here, and as what."""

    id: UUID = Field(description="Of the role, for taking it away")
    user_id: UUID
    role: Role
    granted_at: datetime


class StaffOut(BaseModel):
    """Who works here; at most 200."""

    staff: list[StaffMemberOut]


@routes.post(
    "/invites",
    summary="Invite somebody to your staff",
    status_code=HTTPStatus.CREATED,
    response_model=InviteOut,
    responses=problems(NotYoursToGive, ContactInvalid, MethodOff, SwitchedOff, RateLimited),
)
@guarded(_INVITES)
def invite(body: InviteIn, actor: Acting, request: Keyed, wired: Wired, now: Now) -> Response:
    """Send an invitation that works once, for seven days, and for whoever is reached there.

    A merchant's owner invites managers and registers, a sponsor its own people.
    """
    to = read_contact(body.channel, body.to)

    def work(session: Session) -> Answer:
        new = wired.invites.invite(session, actor, Role(body.invited_as), to, now)
        # Whom it is for is in no answer that is kept.
        shown = InviteOut(id=new.id, invited_as=new.membership.role, expires_at=new.expires_at)
        return Answer.of(shown, HTTPStatus.CREATED)

    given = once(wired.database, request, work, now=now)
    return given.answer.response(given.replay)


@routes.get("/invites", summary="Your open invitations")
@guarded(_READS)
def open_invites(tenant_id: TenantId, wired: Wired, now: Now) -> OpenInvitesOut:
    """Return what can still be accepted."""
    found = wired.database.read(
        lambda session: wired.invites.open_invites(session, tenant_id, now, limit=PAGE_MAX)
    )
    return OpenInvitesOut(
        invites=[
            OpenInviteOut(
                id=one.id,
                invited_as=one.role,
                channel=one.channel,
                to=one.to,
                made_by=one.made_by,
                made_at=one.made_at,
                expires_at=one.expires_at,
            )
            for one in found
        ]
    )


@routes.delete(
    "/invites/{invite_id}",
    summary="Take an invitation back",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownInvite),
)
@guarded(_CHANGES)
def withdraw(invite_id: UUID, actor: Acting, wired: Wired, now: Now) -> None:
    """End an invitation that nobody has accepted."""
    wired.database.run(lambda session: wired.invites.withdraw(session, actor, invite_id, now))


@routes.post(
    "/invites/accept",
    summary="Accept an invitation",
    responses=problems(SelfGrant, InviteNotValid),
)
@guarded(Policy(roles=ANY_ROLE, scope="profile:write", repeats=Repeats.BY_MEANING))
def accept(body: AcceptIn, actor: Acting, wired: Wired, now: Now) -> AcceptedOut:
    """Take the role that an invitation offers; good once, for whoever is reached where it was sent."""
    offered = wired.database.run(lambda session: wired.invites.accept(session, actor, body.token, now))
    if offered.tenant_id is None:
        raise AssertionError("nobody is invited to ops")
    return AcceptedOut(role=offered.role, tenant_id=offered.tenant_id)


@routes.get("/staff", summary="Your staff")
@guarded(_READS)
def staff(tenant_id: TenantId, actor: Acting, wired: Wired) -> StaffOut:
    """Return who holds a role that you may give and take."""
    roles = STAFF_OF[actor.acting.role]
    found = wired.database.read(lambda session: granting.staff_of(session, tenant_id, roles, limit=PAGE_MAX))
    return StaffOut(
        staff=[
            StaffMemberOut(
                id=one.id, user_id=one.user_id, role=one.membership.role, granted_at=one.granted_at
            )
            for one in found
        ]
    )


@routes.delete(
    "/staff/{role_id}",
    summary="Take a role of your staff away",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownRole),
)
@guarded(_CHANGES)
def dismiss(role_id: UUID, actor: Acting, wired: Wired, now: Now) -> None:
    """End somebody's role: refused at once for writes, within a second for reads."""
    wired.database.run(lambda session: granting.dismiss(session, actor, role_id, now))
