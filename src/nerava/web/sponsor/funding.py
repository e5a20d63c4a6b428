"""Adding budget to a campaign: an amount, how it is split, and then the payment out of the deposits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.kernel.money import split_fee
from nerava.platform.policy import Repeats, guarded
from nerava.platform.problem import InvalidInput
from nerava.web.site.calling import Refused
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, page_for, pages
from nerava.web.sponsor.asking import amount_of, at_fields, kept_key
from nerava.web.sponsor.term_words import percent_text

if TYPE_CHECKING:
    from nerava.web.site.page import Wrong

routes: Final = pages("sponsor", "/sponsor/campaigns")


@routes.get("/{campaign_id}/fund")
@guarded(page_for(Role.SPONSOR))
async def fund(page: Shown, campaign_id: UUID, amount: Annotated[str, Query(max_length=40)] = "") -> Response:
    """Ask for an amount; once there is one, show how it is split before anything is paid."""
    return await _drawn(page, campaign_id, Form({"amount": amount}), is_asked=bool(amount))


@routes.post("/{campaign_id}/fund")
@guarded(page_for(Role.SPONSOR, repeats=Repeats.BY_MEANING))
async def funded(page: Shown, campaign_id: UUID) -> Response:
    """Move the amount from the deposits into the campaign, once for each form."""
    form = await page.form()
    try:
        gross = amount_of(form, page.wired.currency)
        await page.api.post(f"/v1/campaigns/{campaign_id}/fundings", {"gross_minor": gross}, key=form.key)
    except (Refused, InvalidInput) as error:
        wrong = at_fields(error, {"gross_minor": "form/amount"})
        return await _drawn(page, campaign_id, form, error=wrong, is_asked=True)
    return page.go(f"/sponsor/campaigns/{campaign_id}", "campaign-funded")


async def _drawn(
    page: Page, campaign_id: UUID, form: Form, *, error: Wrong | None = None, is_asked: bool
) -> Response:
    campaign, deposits = await page.api.get_all(f"/v1/campaigns/{campaign_id}", "/v1/sponsor")
    fee_bps, gross, split = campaign["terms"]["fee_bps"], None, None
    if is_asked:
        try:
            gross = amount_of(form, deposits["currency"])
            split = split_fee(gross, fee_bps)
        except InvalidInput as wrong:
            error = error or wrong
    return page.show(
        "sponsor/fund.html",
        error=error,
        campaign=campaign,
        deposits=deposits,
        fee=percent_text(fee_bps),
        gross=gross,
        split=split,
        is_enough=gross is not None and gross <= deposits["prepaid_minor"],
        typed=form.fields.get("amount", ""),
        key=kept_key(error, form),
    )
