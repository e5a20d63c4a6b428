"""Ops stop things, alone and at once, and start them again by two people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, Field, StringConstraints

from nerava.audit.switching import Switching
from nerava.identity.roles import Role
from nerava.kernel.switch_names import FIXED, UnknownSwitch
from nerava.ledger.switches import (
    NotSwitchedOff,
    Release,
    SelfApproval,
    SwitchState,
    UnknownRelease,
    list_switches,
)
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.wiring import Now, Wired, Wiring, router

routes: Final = router("ops: kill switches")

OPS: Final = (Role.OPS_SUPPORT.value, Role.OPS_FINANCE.value, Role.OPS_ADMIN.value)
_READS: Final = Policy(roles=OPS, scope="switches:read")
_STOPS: Final = Policy(roles=OPS, scope="switches:write", repeats=Repeats.BY_MEANING)
"""Stopping asks for nothing more: it must be quick, and takes nothing from anybody."""
_ENDS: Final = Policy(roles=OPS, scope="switches:write", repeats=Repeats.BY_MEANING, step_up=StepUp.PASSKEY)

SwitchName = Annotated[
    str,
    Path(
        max_length=80,
        pattern="^[a-z][0-9a-z.:_-]*$",
        description=f"One of {', '.join(FIXED)}; or the kind and id of whom to stop: `campaign:…`, "
        "`merchant:…`, `driver:…`, `partner:…`, `provider:…`",
        examples=["earn"],
    ),
]
Reason = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$")]


class ReasonIn(Body):
    """Why; for the audit log. No names of people, no contacts."""

    reason: Annotated[Reason, Field(max_length=200, examples=["rewards doubled since the last release"])]


class ReleaseOut(BaseModel):
    """A request to end a stop; it takes effect when a second person approves it."""

    release_id: UUID
    name: str
    asked_by: UUID = Field(description="Who may not approve it")
    reason: str
    asked_at: datetime


class SwitchOut(BaseModel):
    """A switch that was ever turned on."""

    name: str
    is_on: bool
    set_by: str = Field(description="Who turned it on or, when it is off, who agreed to that")
    reason: str
    set_at: datetime
    release: ReleaseOut | None = Field(description="The request to end the stop that waits for approval")


class SwitchesOut(BaseModel):
    """Every switch that was ever turned on, those that are on first."""

    switches: list[SwitchOut]


@routes.get("/ops/switches", summary="What is switched off")
@guarded(_READS)
def all_switches(wired: Wired) -> SwitchesOut:
    """Return the switches that are on, and those that were."""
    return SwitchesOut(switches=[_switch(one) for one in wired.database.read(list_switches)])


@routes.post("/ops/switches/{name}/on", summary="Stop something", responses=problems(UnknownSwitch))
@guarded(_STOPS)
def stop(name: SwitchName, body: ReasonIn, actor: Acting, wired: Wired, now: Now) -> SwitchOut:
    """Stop it everywhere within five seconds, money at once. Works while everything is read-only."""
    _switching(wired).turn_on(name, by=actor.operator, reason=body.reason, now=now)
    found = wired.database.read(list_switches)
    return next(_switch(one) for one in found if one.name == name)


@routes.post("/ops/switches/{name}/releases", summary="Ask to end a stop", responses=problems(NotSwitchedOff))
@guarded(_ENDS)
def ask(name: SwitchName, body: ReasonIn, actor: Acting, wired: Wired, now: Now) -> ReleaseOut:
    """Ask for a second person's consent. Where somebody asked before, that request is returned."""
    asked = _switching(wired).ask_release(name, by=actor.operator, reason=body.reason, now=now)
    return _release(asked)


@routes.post(
    "/ops/switch-releases/{release_id}/approve",
    summary="End a stop that somebody else asked to end",
    responses=problems(UnknownRelease, SelfApproval),
)
@guarded(_ENDS)
def approve(release_id: UUID, actor: Acting, wired: Wired, now: Now) -> ReleaseOut:
    """Let it work again. Only one request ends a stop, and only another person can approve it."""
    return _release(_switching(wired).approve_release(release_id, by=actor.operator, now=now))


def _switching(wired: Wiring) -> Switching:
    return Switching(wired.database, wired.audit, wired.switches)


def _switch(one: SwitchState) -> SwitchOut:
    return SwitchOut(
        name=one.name,
        is_on=one.is_on,
        set_by=one.set_by,
        reason=one.reason,
        set_at=one.set_at,
        release=None if one.release is None else _release(one.release),
    )


def _release(one: Release) -> ReleaseOut:
    return ReleaseOut(
        release_id=one.id,
        name=one.name,
        asked_by=UUID(one.maker),
        reason=one.reason,
        asked_at=one.asked_at,
    )
