"""Ops orders that something be kept whatever its age, and somebody else that it need not be any more."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.identity.roles import Role
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, encode_cursor
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.privacy.holds import Held, NothingToHold, OwnHold, UnknownHold, in_force
from nerava.privacy.model import HoldKind, LegalHold
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.ops_switches import Reason
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("ops: legal holds")

_OPS: Final = (Role.OPS_SUPPORT.value, Role.OPS_ADMIN.value)
_READS: Final = Policy(roles=_OPS, scope="holds:read")
_PLACES: Final = Policy(roles=_OPS, scope="holds:write", repeats=Repeats.BY_MEANING)
_LIFTS: Final = Policy(roles=_OPS, scope="holds:write", repeats=Repeats.BY_MEANING, step_up=StepUp.PASSKEY)


class HoldIn(Body):
    """What is to be kept."""

    kind: HoldKind = Field(description="A user with all their drivers and sessions, a driver, or one session")
    object_id: UUID
    reason: Annotated[
        Reason,
        Field(max_length=200, examples=["case 2026-17"], description="No names of people, no contacts"),
    ]


class LiftIn(Body):
    """Why it need not be kept any more; for the audit log. No names of people, no contacts."""

    reason: Annotated[Reason, Field(max_length=200, examples=["case 2026-17 is closed"])]


class HoldOut(BaseModel):
    """A legal hold."""

    hold_id: UUID
    kind: HoldKind
    object_id: UUID
    reason: str
    placed_by: UUID = Field(description="Who may not lift it")
    placed_at: datetime
    lifted_by: UUID | None
    lifted_at: datetime | None

    @classmethod
    def of(cls, row: LegalHold) -> HoldOut:
        """Return the wire form of a hold."""
        return cls(
            hold_id=row.id,
            kind=HoldKind(row.kind),
            object_id=row.object_id,
            reason=row.reason,
            placed_by=row.placed_by,
            placed_at=row.placed_at,
            lifted_by=row.lifted_by,
            lifted_at=row.lifted_at,
        )


@routes.get("/ops/legal-holds", summary="What is kept by order")
@guarded(_READS)
def all_in_force(wired: Wired, limit: Limit = PAGE_DEFAULT, cursor: CursorText = None) -> Page[HoldOut]:
    """Return the holds in force, the oldest first."""
    after = after_id(cursor)
    found = wired.database.read(
        lambda session: [HoldOut.of(row) for row in in_force(session, after=after, limit=limit + 1)]
    )
    return Page(
        items=found[:limit],
        next_cursor=encode_cursor(str(found[limit - 1].hold_id)) if len(found) > limit else None,
    )


@routes.post(
    "/ops/legal-holds",
    summary="Order that something be kept",
    responses=problems(NothingToHold),
)
@guarded(_PLACES)
def place(body: HoldIn, actor: Acting, wired: Wired, now: Now) -> HoldOut:
    """Keep it from retention and erasure from now on. The same order again is answered as it stands."""
    return HoldOut.of(wired.holds.place(actor, Held(body.kind, body.object_id, body.reason), now))


@routes.post(
    "/ops/legal-holds/{hold_id}/lift",
    summary="End a hold that somebody else placed",
    responses=problems(UnknownHold, OwnHold),
)
@guarded(_LIFTS)
def lift(hold_id: UUID, body: LiftIn, actor: Acting, wired: Wired, now: Now) -> HoldOut:
    """Let retention and erasure go on, unless another hold keeps it. Only another person may."""
    return HoldOut.of(wired.holds.lift(actor, hold_id, body.reason, now))
