"""Taking codes at a till, on a page: the code, what comes of it in words, and taking that back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import Query

from nerava.platform.edge import set_cookie
from nerava.platform.problem import InvalidInput
from nerava.web.site.calling import Refused

if TYPE_CHECKING:
    from starlette.responses import Response

    from nerava.web.site.forms import Form
    from nerava.web.site.page import Page, Wrong

TILL_COOKIE: Final = "__Host-nv_till"
"""Which register this browser stands at; it grants nothing."""

RegisterId = Annotated[str, Query(alias="register", max_length=40)]
"""At which register, in an address; one that is not the merchant's is no choice."""

TakenId = Annotated[str, Query(alias="taken", max_length=40)]
"""The redemption that a page is about, in an address."""

CODE_MAX: Final = 40
_LATEST: Final = 20
_TILL_LIFE_S: Final = 90 * 24 * 3600

VERDICTS: Final[dict[str, tuple[str, str, str]]] = {
    "code-mistyped": (
        "warn",
        "Check the code",
        "It has 11 letters and digits, like 7QK4-M2PX-T9T. Nothing was tried.",
    ),
    "unknown-code": (
        "danger",
        "Not a code of this shop",
        "It may be for another merchant. Ask to see the name on the driver's screen.",
    ),
    "code-expired": (
        "danger",
        "Expired",
        "The driver has the Nova back and can show a new code.",
    ),
    "code-withdrawn": (
        "danger",
        "Withdrawn",
        "The driver took this code back and can show a new one.",
    ),
    "code-already-used": ("danger", "Used already", ""),
    "pos-order-taken": (
        "danger",
        "This order has a code already",
        "An order takes one code. The code was not used; it is good for another order.",
    ),
    "rate-limited": (
        "warn",
        "Too many wrong codes",
        "This till waits a little before it takes the next one. Nothing was used.",
    ),
    "unknown-register": ("warn", "This till is closed", "Choose another one and try again."),
    "switched-off": (
        "warn",
        "Codes are not taken right now",
        "Nothing was used. The code stays good; try again in a few minutes.",
    ),
}
"""By the API's refusal: how grave it is, what happened, and what to do next."""

_STILL_GOOD: Final = frozenset({"code-mistyped", "rate-limited", "unknown-register", "switched-off"})
"""After these the same code is tried again."""


async def drawn(
    page: Page,
    base: str,
    *,
    error: Wrong | None = None,
    verdict: dict[str, Any] | None = None,
    typed: dict[str, str] | None = None,
    taken: str = "",
    status: int = 200,
) -> Response:
    """Return the page of a till: the form, the verdict if there is one, and what was taken today.

    Args:
        page: The request.
        base: Its address, `/merchant/scan` or `/till`.
        error: What is wrong with what was typed.
        verdict: What became of a code that was refused.
        taken: The redemption of a code that was taken a moment ago.
        typed: What to show in the form again.
        status: Of the answer.
    """
    typed = typed or {}
    merchant, registers, register_id = await at_register(page, typed.get("register_id", ""))
    latest = [] if register_id is None else (await taken_today(page, register_id, limit=_LATEST))["items"]
    if verdict is not None:
        verdict["mine"] = next((one for one in latest if one["id"] == verdict["redemption_id"]), None)
        verdict["till"] = next((one["name"] for one in registers if one["id"] == verdict["register_id"]), "")
    return page.show(
        "merchant/scan.html",
        error=error,
        status=status,
        layout=layout_of(base),
        base=base,
        merchant=merchant,
        registers=[one for one in registers if one["state"] == "active"],
        register_id=register_id,
        mine=next((one for one in latest if one["id"] == taken), None),
        verdict=verdict,
        typed=typed,
        latest=latest[:8],
        now=page.wired.clock.now().isoformat(),
    )


async def take(page: Page, base: str) -> Response:
    """Take the code of a form; what becomes of it is said on the same page."""
    form = await page.form()
    try:
        merchant = await page.api.get("/v1/merchant")
        body = _body(form, merchant["currency"])
        done = await page.api.post("/v1/merchant/redemptions/capture", body, key=form.key)
    except InvalidInput as error:
        return await drawn(page, base, error=error, typed=form.fields)
    except Refused as refused:
        return await _refused(page, base, refused, form)
    set_cookie(page.request.scope, TILL_COOKIE, done["register_id"], life_s=_TILL_LIFE_S)
    return page.go(f"{base}?taken={done['redemption_id']}&register={done['register_id']}")


async def undo(page: Page, base: str) -> Response:
    """Take a capture back at the register that took it."""
    form = await page.form()
    register_id = _id(form.text("register_id"))
    path = f"/v1/merchant/redemptions/{_id(form.text('redemption_id'))}/void"
    try:
        await page.api.post(path, {"register_id": register_id}, key=form.key)
    except Refused as refused:
        return await drawn(page, base, error=refused, typed={"register_id": register_id})
    return page.go(f"{base}?register={register_id}", "capture-undone")


async def today(page: Page, base: str, register: str, after: str | None) -> Response:
    """Show what one register took today."""
    merchant, registers, register_id = await at_register(page, register)
    found: dict[str, Any] = {"items": [], "next_cursor": None}
    if register_id is not None:
        found = await taken_today(page, register_id, limit=50, cursor=after)
    return page.show(
        "till/today.html",
        layout=layout_of(base),
        merchant=merchant,
        registers=[one for one in registers if one["state"] == "active"],
        register_id=register_id,
        found=found,
    )


def layout_of(base: str) -> str:
    """Return the frame around a till's pages: a till has its own, a merchant's has all the tabs."""
    return "till/_area.html" if base == "/till" else "merchant/_area.html"


async def at_register(page: Page, named: str = "") -> tuple[Any, list[Any], str | None]:
    """Return the merchant, its registers, and at which open one this browser stands: None if there is none.

    That is the one that is named, else the last one that took a code here, else the first.
    """
    merchant, registers = await page.api.get_all("/v1/merchant", "/v1/merchant/registers?limit=200")
    usable = [one["id"] for one in registers["items"] if one["state"] == "active"]
    wanted = (named, page.request.cookies.get(TILL_COOKIE, ""))
    chosen = next((one for one in wanted if one in usable), next(iter(usable), None))
    return merchant, registers["items"], chosen


async def taken_today(page: Page, register_id: str, **query: object) -> Any:  # noqa: ANN401 - JSON
    """Return what one register took today, the latest first."""
    return await page.api.get(f"/v1/merchant/registers/{register_id}/redemptions", **query)


async def _refused(page: Page, base: str, refused: Refused, form: Form) -> Response:
    typed = form.fields
    if refused.code not in VERDICTS:
        if refused.problem.get("outcome") != "unknown":
            typed.pop("idempotency_key", None)
        return await drawn(page, base, error=refused, typed=typed)
    tone, title, text = VERDICTS[refused.code]
    facts = refused.problem.get("facts") or {}
    verdict = {
        "tone": tone,
        "title": title,
        "text": text,
        "at": facts.get("captured_at"),
        "register_id": facts.get("register_id"),
        "redemption_id": facts.get("redemption_id"),
        "is_here": facts.get("register_id") == form.maybe("register_id"),
    }
    # What may be typed anew stays; a code that is over makes room for the next one.
    kept = (
        ("register_id", "code", "bill_minor", "pos_order_id")
        if refused.code in _STILL_GOOD
        else ("register_id",)
    )
    shown = {name: typed.get(name, "") for name in kept}
    return await drawn(page, base, verdict=verdict, typed=shown, status=refused.status)


def _body(form: Form, currency: str) -> dict[str, object]:
    """Return what the API is asked; a scanned address says its code after the `#`."""
    code = form.text("code").rpartition("#")[2].strip()
    body: dict[str, object] = {"code": code[:CODE_MAX] or "-", "register_id": _id(form.text("register_id"))}
    if form.maybe("bill_minor"):
        body["bill_minor"] = form.minor("bill_minor", currency)
    if form.maybe("pos_order_id"):
        body["pos_order_id"] = form.maybe("pos_order_id", most=80)
    return body


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        message = "open the page again"
        raise InvalidInput(message) from None
