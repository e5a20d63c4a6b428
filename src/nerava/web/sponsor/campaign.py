"""One campaign: where its budget went, how long it lasts, what it promises, and what one can do with it."""

from __future__ import annotations

import json
from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import Repeats, guarded
from nerava.platform.problem import InvalidInput
from nerava.web.site.calling import Refused
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, page_for, pages
from nerava.web.sponsor.asking import kept_key, parts_of, wrong_field
from nerava.web.sponsor.burn_down_chart import chart_of
from nerava.web.sponsor.campaigns import After
from nerava.web.sponsor.pace import pace_of
from nerava.web.sponsor.refusal_words import refusal
from nerava.web.sponsor.term_words import EVIDENCE, percent_text, promise_of

if TYPE_CHECKING:
    from nerava.web.site.page import Wrong

routes: Final = pages("sponsor", "/sponsor/campaigns")

_LATEST: Final = 8
_CHANGES: Final = page_for(Role.SPONSOR, repeats=Repeats.BY_MEANING)


@routes.get("/{campaign_id}")
@guarded(page_for(Role.SPONSOR))
async def campaign(
    page: Shown, campaign_id: UUID, budget: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """Show budget, forecast, promise, rewards and effect; of a draft what a budget in mind would do."""
    return await _drawn(page, campaign_id, in_mind=budget)


@routes.post("/{campaign_id}/activate")
@guarded(_CHANGES)
async def activate(page: Shown, campaign_id: UUID) -> Response:
    """Let it run."""
    return await _stepped(page, campaign_id, "activate", "campaign-runs")


@routes.post("/{campaign_id}/pause")
@guarded(_CHANGES)
async def pause(page: Shown, campaign_id: UUID) -> Response:
    """Give nothing new until it runs again."""
    return await _stepped(page, campaign_id, "pause", "campaign-paused")


@routes.post("/{campaign_id}/end")
@guarded(_CHANGES)
async def end(page: Shown, campaign_id: UUID) -> Response:
    """End it for good, if the word that says so was typed."""
    return await _stepped(page, campaign_id, "end", "campaign-ended")


@routes.post("/{campaign_id}/close")
@guarded(_CHANGES)
async def close(page: Shown, campaign_id: UUID) -> Response:
    """Take what an ended campaign has left."""
    return await _stepped(page, campaign_id, "close", "campaign-closed")


@routes.get("/{campaign_id}/burn-down.csv")
@guarded(page_for(Role.SPONSOR))
async def burn_down_csv(page: Shown, campaign_id: UUID) -> Response:
    """Return the days of the budget as the API writes them."""
    status, held = await page.api.fetch("GET", f"/v1/campaigns/{campaign_id}/burn-down/csv")
    if status != HTTPStatus.OK:
        raise Refused(status, json.loads(held))
    named = {"Content-Disposition": f'attachment; filename="burn-down-{campaign_id}.csv"'}
    return Response(held, media_type="text/csv", headers=named)


@routes.get("/{campaign_id}/grants")
@guarded(page_for(Role.SPONSOR))
async def grants(page: Shown, campaign_id: UUID, after: After = "") -> Response:
    """Show the rewards, the latest first."""
    path = f"/v1/campaigns/{campaign_id}"
    found = await page.api.get(path)
    listed = await page.api.get(f"{path}/grants", cursor=after, limit=50)
    return page.show("sponsor/grants.html", campaign=found, grants=listed, is_first=not after)


@routes.get("/{campaign_id}/grants/{reference}")
@guarded(page_for(Role.SPONSOR))
async def grant(page: Shown, campaign_id: UUID, reference: UUID) -> Response:
    """Show what every rule said to the session behind a reward."""
    path = f"/v1/campaigns/{campaign_id}"
    found, why = await page.api.get_all(path, f"{path}/grants/{reference}")
    proof = EVIDENCE.get(why["evidence_level"], "nothing that counts")
    return page.show("sponsor/grant.html", campaign=found, why=why, proof=proof)


async def _stepped(page: Page, campaign_id: UUID, step: str, said: str) -> Response:
    form = await page.form()
    try:
        if step == "end":
            _require_the_word(form)
        await page.api.post(f"/v1/campaigns/{campaign_id}/{step}", key=form.key or None)
    except (Refused, InvalidInput) as error:
        return await _drawn(page, campaign_id, error, form)
    return page.go(f"/sponsor/campaigns/{campaign_id}", said)


def _require_the_word(form: Form) -> None:
    if form.text("word", most=40).casefold() != "end":
        raise wrong_field("word", "type the word end, because this cannot be undone")


def _gross(in_mind: str, currency: str) -> str:
    """Return the question what a budget would have done, nothing for a budget that is none."""
    try:
        gross = Form({"amount": in_mind}).minor("amount", currency)
    except InvalidInput:
        return ""
    return f"?gross_minor={gross}" if gross else ""


async def _drawn(
    page: Page, campaign_id: UUID, error: Wrong | None = None, typed: Form | None = None, in_mind: str = ""
) -> Response:
    path = f"/v1/campaigns/{campaign_id}"
    found, budget, burnt, latest, deposits = await page.api.get_all(
        path, f"{path}/budget", f"{path}/burn-down", f"{path}/grants?limit={_LATEST}", "/v1/sponsor"
    )
    terms = found["terms"]
    trial = f"{path}/dry-run{_gross(in_mind, terms['currency'])}"
    is_draft = found["state"] == "draft"
    [lift, *tried] = await parts_of(page.api, f"{path}/incrementality", *([trial] if is_draft else []))
    ends_on = date.fromisoformat(terms["ends_at"][:10])
    return page.show(
        "sponsor/campaign.html",
        error=error,
        campaign=found,
        budget=budget,
        burnt=burnt,
        latest=latest,
        deposits=deposits,
        lift=lift[0],
        tried=tried[0][0] if tried else None,
        reason=refusal,
        in_mind=in_mind if _gross(in_mind, terms["currency"]) else "",
        promise=promise_of(terms),
        fee=percent_text(terms["fee_bps"]),
        pace=pace_of(found, budget, burnt["forecast"]),
        chart=chart_of(burnt["days"], burnt["forecast"], currency=terms["currency"], ends_on=ends_on),
        typed={} if typed is None else typed.fields,
        key=None if typed is None else kept_key(error, typed),
    )
