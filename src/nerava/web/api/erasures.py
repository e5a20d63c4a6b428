"""The caller's wish to be forgotten, and going back on it."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Final

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.guard import SignedIn
from nerava.platform.limits import RateLimited
from nerava.platform.policy import ANY_ROLE, Policy, Repeats, StepUp, guarded
from nerava.platform.problem import NotFound, problems
from nerava.privacy.erasures import ErasureUnderWay
from nerava.privacy.model import ErasureState
from nerava.web.api.arrival import Arrival
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("privacy")


class ErasureIn(Body):
    """A wish to be forgotten."""

    gives_up_points: bool = Field(
        default=False, strict=True, description="True: points that are left lapse without waiting 30 days"
    )


class ErasureOut(BaseModel):
    """How far the erasure is."""

    model_config = ConfigDict(from_attributes=True)

    state: ErasureState
    requested_at: datetime
    cooling_until: datetime = Field(description="Before that nothing happens")
    forfeit_at: datetime = Field(description="From then on points that are left lapse")
    held_because: str | None = Field(description="What has to end first, while it is held")


@routes.post(
    "/me/erasure",
    summary="Erase me",
    status_code=HTTPStatus.ACCEPTED,
    response_model=ErasureOut,
    responses=problems(RateLimited),
)
@guarded(Policy(roles=ANY_ROLE, scope="profile:write", repeats=Repeats.BY_MEANING, step_up=StepUp.STRONG))
def ask_for_erasure(body: ErasureIn, actor: Acting, arrival: Arrival, wired: Wired, now: Now) -> Response:
    """Have the account and everything personal erased after 72 hours; until then it can be undone."""
    asked = wired.erasures.ask(actor, arrival.place, now, gives_up_points=body.gives_up_points)
    shown = ErasureOut.model_validate(asked)
    return Response(shown.model_dump_json(), HTTPStatus.ACCEPTED, media_type="application/json")


@routes.get("/me/erasure", summary="How far is my erasure", responses=problems(NotFound))
@guarded(Policy(roles=ANY_ROLE, scope="profile:read"))
def my_erasure(caller: SignedIn, wired: Wired) -> ErasureOut:
    """Return how far it is, and what it waits for."""
    return wired.database.read(
        lambda session: ErasureOut.model_validate(wired.erasures.of(session, caller.subject))
    )


@routes.delete(
    "/me/erasure",
    summary="Do not erase me",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(NotFound, ErasureUnderWay),
)
@guarded(Policy(roles=ANY_ROLE, scope="profile:write", repeats=Repeats.BY_MEANING))
def undo_erasure(actor: Acting, wired: Wired, now: Now) -> None:
    """Go back on it; possible until it has begun."""
    wired.erasures.undo(actor, now)
