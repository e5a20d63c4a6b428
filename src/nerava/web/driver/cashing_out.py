"""Cashing out on pages: how much, at which fee, to which account, and what becomes of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.payouts.rules import AMOUNT_MIN, WEEK_MAX
from nerava.platform.policy import Repeats, guarded
from nerava.platform.problem import InputError, InvalidInput
from nerava.web.api.payout_methods import RETURN_PATH
from nerava.web.site.calling import Refused
from nerava.web.site.forms import KEY, Form
from nerava.web.site.page import Shown, page_for, pages
from nerava.web.site.rendering import money

if TYPE_CHECKING:
    from nerava.web.site.page import Page, Wrong

routes: Final = pages("driver")

_READS: Final = page_for(Role.DRIVER)
_CHANGES: Final = page_for(Role.DRIVER, repeats=Repeats.BY_MEANING)

_BROKEN: Final = HTTPStatus.INTERNAL_SERVER_ERROR

Typed = Annotated[str, Query(max_length=40)]


@routes.get("/wallet/payout")
@guarded(_READS)
async def cash_out(page: Shown, amount: Typed = "") -> Response:
    """Show the form for an amount; with one, what it costs and when it arrives, to be confirmed."""
    return await _drawn(page, Form({"amount": amount}) if amount else None)


@routes.post("/wallet/payout")
@guarded(_CHANGES)
async def confirm(page: Shown) -> Response:
    """Ask for the payout that was confirmed."""
    form = await page.form()
    try:
        body = {
            "method_id": form.text("method_id", most=40),
            "amount_minor": _amount(page, form),
            "fee_minor": form.whole("fee_minor"),
        }
        asked = await page.api.post("/v1/payouts", body, key=form.key)
    except (Refused, InvalidInput) as error:
        return await _drawn(page, form, error)
    return page.go(f"/payouts/{asked['id']}", "payout-asked")


@routes.post("/wallet/payout/methods")
@guarded(_CHANGES)
async def add_method(page: Shown) -> Response:
    """Begin with a bank account, or go on with one: show the way to the provider's page."""
    try:
        opened = await page.api.post("/v1/payout-methods")
    except Refused as error:
        return await _drawn(page, None, error)
    return page.show("driver/payout_method.html", method=opened["method"], url=opened["url"])


@routes.post("/wallet/payout/methods/{method_id}/remove")
@guarded(_CHANGES)
async def remove_method(page: Shown, method_id: UUID) -> Response:
    """Pay nothing to an account any more."""
    try:
        await page.api.send("DELETE", f"/v1/payout-methods/{method_id}")
    except Refused as error:
        return await _drawn(page, None, error)
    return page.go("/wallet/payout", "method-removed")


@routes.get(RETURN_PATH)
@guarded(page_for(Role.DRIVER, Role.MERCHANT_OWNER))
async def come_back(page: Shown) -> Response:
    """Send people on who come back from the provider's page; how far they got is read from the provider."""
    is_driver = page.principal is not None and page.principal.acting.role is Role.DRIVER
    return page.go("/wallet/payout" if is_driver else "/merchant/settlements")


@routes.get("/payouts/{payout_id}")
@guarded(_READS)
async def payout(page: Shown, payout_id: UUID) -> Response:
    """Show one payout and how far it is."""
    return await _followed(page, payout_id)


@routes.post("/payouts/{payout_id}/cancel")
@guarded(_CHANGES)
async def take_back(page: Shown, payout_id: UUID) -> Response:
    """Take a payout back that was not sent yet."""
    form = await page.form()
    try:
        await page.api.post(f"/v1/payouts/{payout_id}/cancel", key=form.key)
    except Refused as error:
        if error.status == HTTPStatus.NOT_FOUND:
            raise
        return await _followed(page, payout_id, error)
    return page.go(f"/payouts/{payout_id}", "payout-taken-back")


async def _followed(page: Page, payout_id: UUID, error: Wrong | None = None) -> Response:
    found, known = await page.api.get_all(f"/v1/payouts/{payout_id}", "/v1/payout-methods")
    method = next((one for one in known["methods"] if one["id"] == found["method_id"]), None)
    return page.show("driver/payout.html", error=error, payout=found, method=method)


async def _drawn(page: Page, form: Form | None = None, error: Wrong | None = None) -> Response:
    wallet, known, past = await page.api.get_all("/v1/wallet", "/v1/payout-methods", "/v1/payouts?limit=10")
    typed = {} if form is None else form.fields
    quote = None
    if form is not None and _may_be_quoted(error):
        try:
            quote = await page.api.get("/v1/payout-quote", amount_minor=_amount(page, form))
        except (Refused, InvalidInput) as wrong:
            error = error or wrong
    return page.show(
        "driver/cash_out.html",
        error=error,
        wallet=wallet,
        methods=known["methods"],
        ready=[one for one in known["methods"] if one["state"] == "ready"],
        payouts=past["items"],
        quote=quote,
        typed=typed,
        # Whoever does not know what became of a request asks under its key again.
        key=typed.get(KEY) if isinstance(error, Refused) and error.status >= _BROKEN else None,
        amount_min=AMOUNT_MIN,
        amount_max=min(WEEK_MAX, wallet["available"]),
    )


def _may_be_quoted(error: Wrong | None) -> bool:
    """Say whether the amount itself is worth asking about: nothing is wrong with it so far."""
    return not isinstance(error, InvalidInput)


def _amount(page: Page, form: Form) -> int:
    """Return the amount that was typed, in minor units.

    Raises:
        InvalidInput: It is no amount, or too small or too large for one payout (422).
    """
    currency = page.wired.currency
    amount = form.minor("amount", currency)
    if not AMOUNT_MIN <= amount <= WEEK_MAX:
        message = f"one payout is {money(AMOUNT_MIN, currency)} to {money(WEEK_MAX, currency)}"
        raise InvalidInput(message, errors=[InputError(pointer="form/amount", message=message, kind="range")])
    return amount
