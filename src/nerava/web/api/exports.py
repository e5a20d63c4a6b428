"""A copy of the caller's own data."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Final
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.guard import SignedIn
from nerava.platform.limits import RateLimited
from nerava.platform.policy import ANY_ROLE, Policy, Repeats, StepUp, guarded
from nerava.platform.problem import NotFound, problems
from nerava.platform.vault import KeyDestroyed
from nerava.privacy.exports import ExportGone, ExportNotReady
from nerava.privacy.model import ExportState
from nerava.web.api.arrival import Arrival
from nerava.web.api.audited import Acting
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("privacy")

ZIP: Final = "application/zip"


class ExportOut(BaseModel):
    """A copy of the caller's data, and how far it is."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    state: ExportState
    asked_at: datetime
    made_at: datetime | None
    expires_at: datetime | None = Field(description="Until then it can be fetched")
    size: int | None = Field(description="Bytes of the zip file")


@routes.post(
    "/me/exports",
    summary="Make a copy of my data",
    status_code=HTTPStatus.ACCEPTED,
    response_model=ExportOut,
    responses=problems(RateLimited),
)
@guarded(Policy(roles=ANY_ROLE, scope="profile:write", repeats=Repeats.BY_MEANING, step_up=StepUp.STRONG))
def ask_for_export(actor: Acting, arrival: Arrival, wired: Wired, now: Now) -> Response:
    """Have a copy made of everything that is kept about the caller; once in 24 hours."""
    asked = ExportOut.model_validate(wired.exports.ask(actor, arrival.place, now))
    return Response(asked.model_dump_json(), HTTPStatus.ACCEPTED, media_type="application/json")


@routes.get("/me/exports/{export_id}", summary="How far is my copy", responses=problems(NotFound))
@guarded(Policy(roles=ANY_ROLE, scope="profile:read"))
def my_export(export_id: UUID, caller: SignedIn, wired: Wired) -> ExportOut:
    """Return how far the copy is; that of another person is not found."""
    return wired.database.read(
        lambda session: ExportOut.model_validate(wired.exports.of(session, caller.subject, export_id))
    )


@routes.get(
    "/me/exports/{export_id}/archive",
    summary="Fetch my copy",
    response_class=Response,
    responses=problems(NotFound, ExportNotReady, ExportGone, KeyDestroyed)
    | {200: {"description": "JSON and CSV in one zip file", "content": {ZIP: {}}}},
)
@guarded(Policy(roles=ANY_ROLE, scope="profile:read", step_up=StepUp.STRONG))
def fetch_export(export_id: UUID, actor: Acting, wired: Wired, now: Now) -> Response:
    """Return the zip file, for 24 hours after it was made."""
    body = wired.exports.fetch(actor, export_id, now)
    named = {"Content-Disposition": f'attachment; filename="nerava-{export_id}.zip"'}
    return Response(body, media_type=ZIP, headers=named)
