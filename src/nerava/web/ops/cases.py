"""What is the matter with payouts, and what comparing the provider's book with ours has shown, on pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.platform.problem import NotFound
from nerava.web.ops.asking import carried_out, does, looks, shown
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

IsOpen = Annotated[bool, Query(alias="open")]


@routes.get("/ops/cases")
@guarded(looks("GET /v1/ops/payout-cases"))
async def cases(page: Shown, is_open: IsOpen = True, after: CursorText = None) -> Response:  # noqa: FBT002 - a query parameter
    """Show the cases that are open, or those that were closed, the oldest first."""
    return await _cases(page, is_open=is_open, after=after)


@routes.post("/ops/cases/{case_id}/close")
@guarded(does("POST /v1/ops/payout-cases/{case_id}/close"))
async def close(page: Shown, case_id: UUID) -> Response:
    """Say why a case needs nobody any more."""

    async def work(form: Form) -> tuple[str, str]:
        body = {"reason": form.text("reason", most=120)}
        await page.api.post(f"/v1/ops/payout-cases/{case_id}/close", body, key=form.key)
        return "/ops/cases", "closed"

    return await carried_out(page, lambda error, typed: _cases(page, error=error, typed=typed), work)


async def _cases(
    page: Page,
    *,
    is_open: bool = True,
    after: str | None = None,
    error: Wrong | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    found = await page.api.get("/v1/ops/payout-cases", open=str(is_open).lower(), cursor=after)
    return await shown(page, "ops/cases.html", error, typed, cases=found, is_open=is_open)


@routes.get("/ops/reconciliations")
@guarded(looks("GET /v1/ops/reconciliations"))
async def runs(page: Shown, after: CursorText = None) -> Response:
    """Show the comparisons, the newest first."""
    found = await page.api.get("/v1/ops/reconciliations", cursor=after)
    return await shown(page, "ops/reconciliations.html", runs=found)


@routes.get("/ops/reconciliations/{run_id}")
@guarded(looks("GET /v1/ops/reconciliations/{run_id}"))
async def run(page: Shown, run_id: UUID, verdict: Annotated[str, Query(max_length=40)] = "") -> Response:
    """Show one comparison with its lines; those of one verdict where one is named."""
    file = await page.api.get(f"/v1/ops/reconciliations/{run_id}")
    lines: list[dict[str, Any]] = [one for one in file["lines"] if verdict in {"", one["verdict"]}]
    return await shown(page, "ops/reconciliation.html", run=file["run"], lines=lines, verdict=verdict)


@routes.get("/ops/reconciliations/{run_id}/csv")
@guarded(looks("GET /v1/ops/reconciliations/{run_id}/csv"))
async def run_as_csv(page: Shown, run_id: UUID) -> Response:
    """Return all lines of a comparison as a table for another program.

    Raises:
        NotFound: There is no such comparison (404).
    """
    status, text = await page.api.fetch("GET", f"/v1/ops/reconciliations/{run_id}/csv")
    if status != HTTPStatus.OK:
        raise NotFound
    named = {"Content-Disposition": f'attachment; filename="reconciliation-{run_id}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=named)
