"""Showing again who one is, where a form asks for it, and then sending that form."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from starlette.responses import JSONResponse, Response

from nerava.platform.policy import ANY_ROLE, Credential, Policy, Repeats, guarded
from nerava.platform.problem import InvalidInput
from nerava.web.site.calling import Refused
from nerava.web.site.forms import Form
from nerava.web.site.page import SCOPE, Page, Shown, local, pages

routes: Final = pages("site")

_MINE: Final = Policy(roles=ANY_ROLE, scope=SCOPE, credential=Credential.COOKIE, repeats=Repeats.BY_MEANING)
_FIELDS: Final = TypeAdapter(dict[str, str])
_SHOWN_MAX: Final = 20_000
_AGAIN_MAX: Final = 60_000


@routes.post("/step-up/options")
@guarded(_MINE)
async def begin(page: Shown) -> Response:
    """Begin to show a passkey, for the script of the page."""
    try:
        return JSONResponse(await page.api.post("/v1/auth/step-up/passkey/options"))
    except Refused as error:
        return JSONResponse(error.problem, error.status)


@routes.post("/step-up")
@guarded(_MINE)
async def by_passkey(page: Shown) -> Response:
    """Take a passkey's answer, then show the form that waited for it, to be sent."""
    form = await page.form()
    try:
        shown = _json(form.text("shown", most=_SHOWN_MAX))
        await page.api.post("/v1/auth/step-up/passkey", shown)
    except (Refused, InvalidInput) as error:
        return _again(page, form, error)
    return confirmed(page, form)


@routes.post("/step-up/code")
@guarded(_MINE)
async def by_app(page: Shown) -> Response:
    """Take a code of an authenticator app, then show the form that waited for it, to be sent."""
    form = await page.form()
    try:
        code = form.text("code", most=20).replace(" ", "")
        await page.api.post("/v1/auth/step-up/totp", {"code": code})
    except (Refused, InvalidInput) as error:
        return _again(page, form, error)
    return confirmed(page, form)


def confirmed(page: Page, form: Form) -> Response:
    """Return the form that waited, to be sent by its button, or go back to the page that waited.

    Raises:
        InvalidInput: It is not the form of a page that waited (422).
    """
    if not form.maybe("to"):
        return page.go(local(form.maybe("next")))
    try:
        fields = _FIELDS.validate_json(form.maybe("again", most=_AGAIN_MAX) or "{}")
    except ValidationError:
        message = "open the page again"
        raise InvalidInput(message) from None
    return page.show("site/again.html", to=local(form.maybe("to")), fields=fields)


def _again(page: Page, form: Form, error: Refused | InvalidInput) -> Response:
    return page.show(
        "site/step_up.html",
        error=error,
        to=form.maybe("to"),
        next=form.maybe("next"),
        again=form.maybe("again", most=_AGAIN_MAX),
        is_strong=form.ticked("is_strong"),
    )


def _json(text: str) -> Any:  # noqa: ANN401 - whatever the browser made, judged by the API
    try:
        return json.loads(text)
    except ValueError:
        message = "the browser sent no passkey"
        raise InvalidInput(message) from None
