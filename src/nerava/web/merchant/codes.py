"""Codes by the hundred for a merchant's own marketing, on pages: made and shown once, paused, ended."""

from __future__ import annotations

import json
from typing import Final
from uuid import UUID

from starlette.responses import Response

from nerava.platform.policy import Repeats, guarded
from nerava.platform.problem import InvalidInput, NotFound
from nerava.web.merchant.downloads import CSV, as_file
from nerava.web.merchant.local_times import maybe_instant
from nerava.web.merchant.offers import drawn
from nerava.web.merchant.scan import HOUSE
from nerava.web.site.calling import Refused
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, page_for, pages

routes: Final = pages("merchant")

BASE: Final = "/merchant/offers/{offer_id}/codes"
MOVES: Final = {"pause": "codes-paused", "resume": "codes-open", "end": "codes-ended"}


@routes.post(BASE)
@guarded(page_for(*HOUSE, repeats=Repeats.BY_MEANING))
async def make(page: Shown, offer_id: UUID) -> Response:
    """Make codes and show them, once."""
    form = await page.form()
    try:
        status, raw = await _made(page, offer_id, form)
    except InvalidInput as error:
        return await drawn(page, offer_id, error, form.fields)
    if status >= 400:  # noqa: PLR2004 - by HTTP
        return await drawn(page, offer_id, Refused(status, json.loads(raw)), form.fields)
    one = await page.api.get(f"/v1/merchant/offers/{offer_id}")
    codes = raw.decode().split()[1:]
    return page.show("merchant/codes.html", one=one, codes=codes, typed=form.fields)


@routes.post(f"{BASE}/csv")
@guarded(page_for(*HOUSE, repeats=Repeats.BY_MEANING))
async def keep(page: Shown, offer_id: UUID) -> Response:
    """Return the codes that were just made as a file: the same key gets the same codes."""
    form = await page.form()
    status, raw = await _made(page, offer_id, form)
    return as_file(status, raw, media_type=CSV, name=f"codes-{offer_id}.csv")


@routes.post(f"{BASE}/{{batch_id}}/{{move}}")
@guarded(page_for(*HOUSE, repeats=Repeats.BY_MEANING))
async def moved(page: Shown, offer_id: UUID, batch_id: UUID, move: str) -> Response:
    """Pause codes, let them be claimed again, or end them.

    Raises:
        NotFound: Nothing else can be done with them (404).
    """
    form = await page.form()
    if move not in MOVES:
        raise NotFound
    try:
        await page.api.post(f"/v1/merchant/code-batches/{batch_id}/{move}", key=form.key or None)
    except Refused as error:
        return await drawn(page, offer_id, error)
    return page.go(f"/merchant/offers/{offer_id}", MOVES[move])


async def _made(page: Page, offer_id: UUID, form: Form) -> tuple[int, bytes]:
    timezone = (await page.api.get("/v1/merchant"))["timezone"]
    expires_at = maybe_instant(form, "expires_at", timezone)
    body = {"count": form.whole("count"), "expires_at": expires_at}
    headers = {"idempotency-key": form.key, "content-type": "application/json"}
    path = f"/v1/merchant/offers/{offer_id}/code-batches"
    return await page.api.fetch("POST", path, "", headers, json.dumps(body).encode())
