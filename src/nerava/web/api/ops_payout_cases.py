"""What is the matter with payouts, and what comparing the provider's book with ours has shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from nerava.identity.guard import SignedIn
from nerava.ledger.stops import SwitchedOff
from nerava.payouts.cases import close_case, list_cases
from nerava.payouts.errors import CaseClosed, UnknownCase, UnknownRun
from nerava.payouts.reconciling import csv_of, find_run, list_runs
from nerava.payouts.states import CaseKind
from nerava.platform.idempotency import Answer
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.ops_payouts import DECIDES, READS, ReasonIn
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("ops: payouts")

CSV: Final = "text/csv"


class CaseOut(BaseModel):
    """Something that a person must look into."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: CaseKind
    subject: str
    payout_id: UUID | None
    told: dict[str, Any]
    opened_at: datetime
    closed_at: datetime | None
    closed_by: UUID | None
    closing_reason: str | None


class RunOut(BaseModel):
    """One comparison of the provider's book with ours, and what it counted."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    period: str
    since_at: datetime
    until_at: datetime
    finished_at: datetime
    counts: dict[str, int] = Field(description="Lines that match, and lines of every kind of drift")


class RunFileOut(BaseModel):
    """A comparison with its lines."""

    run: RunOut
    lines: list[dict[str, Any]]


@routes.get("/ops/payout-cases", summary="What is the matter with payouts")
@guarded(READS)
def cases(
    wired: Wired,
    is_open: Annotated[bool, Query(alias="open")] = True,  # noqa: FBT002 - a query parameter
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[CaseOut]:
    """Return cases that are open, or those that were closed, the oldest first."""
    after = after_id(cursor)

    def look(session: Session) -> list[CaseOut]:
        found = list_cases(session, is_open=is_open, after=after, limit=limit)
        return [CaseOut.model_validate(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.post(
    "/ops/payout-cases/{case_id}/close",
    summary="Close a case",
    response_model=CaseOut,
    responses=problems(UnknownCase, CaseClosed, SwitchedOff),
)
@guarded(DECIDES)
def close(
    case_id: UUID,
    body: ReasonIn,
    caller: SignedIn,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Say why a case needs nobody any more. Money is moved by adjustments alone, never here."""

    def work(session: Session) -> Answer:
        closed = close_case(session, case_id, by=caller.subject, reason=body.reason, now=now)
        told = actor.entry("payout_case.closed", "payout_case", case_id, reason=body.reason)
        wired.audit.record(session, told, now)
        return Answer.of(CaseOut.model_validate(closed))

    return run_once(wired, request, work, now=now)


@routes.get("/ops/reconciliations", summary="Comparisons with the provider's book")
@guarded(READS)
def runs(wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT) -> Page[RunOut]:
    """Return the comparisons, the newest first."""
    after = after_id(cursor)

    def look(session: Session) -> list[RunOut]:
        return [RunOut.model_validate(one) for one in list_runs(session, after=after, limit=limit)]

    return page_by_id(wired.database.read(look), limit)


@routes.get(
    "/ops/reconciliations/{run_id}", summary="One comparison with its lines", responses=problems(UnknownRun)
)
@guarded(READS)
def one_run(run_id: UUID, wired: Wired) -> RunFileOut:
    """Return a comparison and every line of it."""

    def look(session: Session) -> RunFileOut:
        found = find_run(session, run_id)
        return RunFileOut(run=RunOut.model_validate(found), lines=found.lines)

    return wired.database.read(look)


@routes.get(
    "/ops/reconciliations/{run_id}/csv",
    summary="One comparison as a table",
    response_class=Response,
    responses=problems(UnknownRun)
    | {200: {"description": "One line for each movement", "content": {CSV: {}}}},
)
@guarded(READS)
def run_as_csv(run_id: UUID, wired: Wired) -> Response:
    """Return the lines of a comparison as CSV."""
    text = wired.database.read(lambda session: csv_of(find_run(session, run_id)))
    named = {"Content-Disposition": f'attachment; filename="reconciliation-{run_id}.csv"'}
    return Response(text, media_type=f"{CSV}; charset=utf-8", headers=named)
