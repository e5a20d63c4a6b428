"""Money of a sponsor: paying in at a provider, what came and what is clearing, and getting deposits back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import Repeats, guarded
from nerava.platform.problem import InvalidInput
from nerava.web.site.calling import Refused
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, page_for, pages
from nerava.web.sponsor.asking import amount_of, at_fields, kept_key
from nerava.web.sponsor.campaigns import After

if TYPE_CHECKING:
    from nerava.web.site.page import Wrong

routes: Final = pages("sponsor", "/sponsor/deposits")

Typed = Annotated[str, Query(max_length=40)]

_READS: Final = page_for(Role.SPONSOR)
_CHANGES: Final = page_for(Role.SPONSOR, repeats=Repeats.BY_MEANING)
_LIMIT: Final = 20
_REFUNDS: Final = 10
_CAMPAIGNS: Final = 100
_FIELDS: Final = {"gross_minor": "form/amount", "amount_minor": "form/amount", "campaign_id": "form/campaign"}


@routes.get("")
@guarded(_READS)
async def deposits(page: Shown, after: After = "") -> Response:
    """Show what is free, the payments, and what goes back."""
    return await _drawn(page, after=after)


@routes.post("/pay")
@guarded(_CHANGES)
async def pay(page: Shown) -> Response:
    """Ask for a page of the provider to pay on, once for each form."""
    form = await page.form()
    try:
        body: dict[str, Any] = {"gross_minor": amount_of(form, page.wired.currency)}
        if form.maybe("campaign", most=40):
            body["campaign_id"] = form.text("campaign")
        asked = await page.api.post("/v1/sponsor/checkouts", body, key=form.key)
    except (Refused, InvalidInput) as error:
        return await _drawn(page, at_fields(error, _FIELDS), form)
    return page.go(f"/sponsor/deposits/payments/{asked['id']}")


@routes.get("/payments/{checkout_id}")
@guarded(_READS)
async def payment(page: Shown, checkout_id: UUID) -> Response:
    """Show one payment, with the way to the provider's page while it is open."""
    found = await page.api.get(f"/v1/sponsor/checkouts/{checkout_id}")
    into = None
    if found["campaign_id"] is not None:
        into = await page.api.get(f"/v1/campaigns/{found['campaign_id']}")
    return page.show("sponsor/payment.html", payment=found, into=into)


@routes.get("/back")
@guarded(_READS)
async def back(page: Shown, amount: Typed = "") -> Response:
    """Ask how much is to go back; once there is an amount, show what it leaves before anything is sent."""
    return await _back(page, Form({"amount": amount}), is_asked=bool(amount))


@routes.post("/back")
@guarded(_CHANGES)
async def sent_back(page: Shown) -> Response:
    """Send deposits back by the payments that brought them, once for each form."""
    form = await page.form()
    try:
        wanted = amount_of(form, page.wired.currency)
        await page.api.post("/v1/sponsor/refunds", {"amount_minor": wanted}, key=form.key)
    except (Refused, InvalidInput) as error:
        return await _back(page, form, at_fields(error, _FIELDS), is_asked=True)
    return page.go("/sponsor/deposits", "deposits-back")


async def _drawn(
    page: Page, error: Wrong | None = None, typed: Form | None = None, after: str = ""
) -> Response:
    held, refunds, campaigns = await page.api.get_all(
        "/v1/sponsor",
        f"/v1/sponsor/refunds?limit={_REFUNDS}",
        f"/v1/campaigns?limit={_CAMPAIGNS}",
    )
    payments = await page.api.get("/v1/sponsor/checkouts", cursor=after, limit=_LIMIT)
    names = {one["id"]: one["terms"]["name"] for one in campaigns["items"]}
    open_ones = [(one["id"], one["terms"]["name"]) for one in campaigns["items"] if one["state"] != "ended"]
    return page.show(
        "sponsor/deposits.html",
        error=error,
        deposits=held,
        payments=payments,
        refunds=refunds["items"],
        names=names,
        targets=[("", "Your deposits"), *open_ones],
        typed={} if typed is None else typed.fields,
        key=None if typed is None else kept_key(error, typed),
    )


async def _back(page: Page, form: Form, error: Wrong | None = None, *, is_asked: bool) -> Response:
    held = await page.api.get("/v1/sponsor")
    wanted = None
    if is_asked:
        try:
            wanted = amount_of(form, held["currency"])
        except InvalidInput as wrong:
            error = error or wrong
    return page.show(
        "sponsor/back.html",
        error=error,
        deposits=held,
        wanted=wanted,
        is_enough=wanted is not None and wanted <= held["prepaid_minor"],
        typed=form.fields.get("amount", ""),
        key=kept_key(error, form),
    )
