"""Ops decides about cars that two accounts connected, or whose consent nobody saw."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.roles import Role
from nerava.platform.pagination import PAGE_DEFAULT, Limit
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.vehicles.errors import LinkNotInReview, UnknownVehicleLink
from nerava.vehicles.links import decide, links_in_review
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.ops_switches import Reason
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

routes: Final = router("ops: vehicles")

_OPS: Final = (Role.OPS_SUPPORT.value, Role.OPS_ADMIN.value)


class ReviewedLinkOut(BaseModel):
    """A connection that waits for a decision."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    driver_id: UUID
    make: str
    model: str
    year: int | None
    provider: str
    trouble: str | None = Field(description="another-account or consent-not-seen")
    consented_at: datetime


class ReviewedLinksOut(BaseModel):
    """The connections that wait longest."""

    links: list[ReviewedLinkOut]


class LinkDecisionIn(Body):
    """A person's decision about a connection."""

    accepted: Annotated[bool, Field(strict=True, description="The car is theirs; whoever has it loses it")]
    reason: Annotated[
        Reason, Field(max_length=200, examples=["case 2026-17"], description="No names of people")
    ]


@routes.get("/ops/vehicle-reviews", summary="Cars that wait for a decision")
@guarded(Policy(roles=_OPS, scope="vehicles:read"))
def in_review(wired: Wired, limit: Limit = PAGE_DEFAULT) -> ReviewedLinksOut:
    """Return connections that do not earn until somebody decides, the oldest first."""
    found = wired.database.read(lambda session: links_in_review(session, limit))
    return ReviewedLinksOut(links=[ReviewedLinkOut.model_validate(one) for one in found])


@routes.post(
    "/ops/vehicle-reviews/{link_id}/decision",
    summary="Say whose car it is",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownVehicleLink, LinkNotInReview),
)
@guarded(Policy(roles=_OPS, scope="vehicles:write", repeats=Repeats.BY_MEANING))
def decide_review(link_id: UUID, body: LinkDecisionIn, actor: Acting, wired: Wired, now: Now) -> Response:
    """Give the car to this connection, or end it."""

    def work(session: Session) -> None:
        decide(session, link_id, accepted=body.accepted, now=now)
        action = "vehicle.accept" if body.accepted else "vehicle.reject"
        wired.audit.record(session, actor.entry(action, "vehicle_link", link_id, reason=body.reason), now)

    wired.database.run(work)
    return Response(status_code=HTTPStatus.NO_CONTENT)
