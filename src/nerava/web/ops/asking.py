"""What somebody of operations may see and do on pages, read from the policies of the API's own routes."""

from __future__ import annotations

import asyncio
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from nerava.identity.roles import Role
from nerava.platform.policy import Policy, Repeats, walk
from nerava.platform.problem import InvalidInput
from nerava.web.api.routes import API_ROUTES
from nerava.web.site.calling import Refused
from nerava.web.site.forms import KEY
from nerava.web.site.page import page_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response

    from nerava.web.site.forms import Form
    from nerava.web.site.page import Page, Wrong

    Drawing = Callable[[Wrong | None, Mapping[str, str]], Awaitable[Response]]
    Work = Callable[[Form], Awaitable[tuple[str, str]]]

OPS: Final = (Role.OPS_SUPPORT, Role.OPS_FINANCE, Role.OPS_ADMIN)

ASKED: Final = "asked"
"""What is said when a second person has to agree."""


@cache
def _policies() -> Mapping[str, Policy]:
    return walk(API_ROUTES)


def looks(call: str) -> Policy:
    """Return the policy of a page for whoever may make this call of the API: `GET /v1/ops/payouts`."""
    return page_for(*(Role(one) for one in _policies()[call].roles))


def does(call: str) -> Policy:
    """Return the policy of a form for whoever may make the call that it ends in."""
    return page_for(*(Role(one) for one in _policies()[call].roles), repeats=Repeats.BY_MEANING)


def may(page: Page, call: str) -> bool:
    """Say whether whoever looks at a page may make a call of the API under the role they act under."""
    principal = page.principal
    return principal is not None and principal.acting.role.value in _policies()[call].roles


async def asked(page: Page, **calls: tuple[str, str, Mapping[str, object]]) -> dict[str, Any]:
    """Return the JSON of several GETs by name, asked together; None where the role may not ask.

    Args:
        page: Who asks.
        calls: The call as the table of policies names it, its path, and its query.

    Raises:
        Refused: The API says no to something that the role may ask.
    """
    open_ones = {name: one for name, one in calls.items() if may(page, one[0])}
    found = await asyncio.gather(*(page.api.get(path, **query) for _, path, query in open_ones.values()))
    return {**dict.fromkeys(calls), **dict(zip(open_ones, found, strict=True))}


async def shown(
    page: Page,
    template: str,
    error: Wrong | None = None,
    typed: Mapping[str, str] | None = None,
    **named: object,
) -> Response:
    """Return a page of operations: with what is wrong with the books above it, if anything is.

    Args:
        page: Who looks.
        template: Its file below `templates`.
        error: Why a form was not carried out.
        typed: What was typed into it, as `carried_out` hands it on.
        named: What the template names.
    """
    about: dict[str, Any] = await asked(page, alarms=("GET /v1/ops/alarms", "/v1/ops/alarms", {"limit": 20}))
    alarms = [] if about["alarms"] is None else about["alarms"]["items"]
    around: dict[str, Any] = {
        "alarms": alarms,
        "typed": typed or {},
        "may": lambda call: may(page, call),
        "me": "" if page.principal is None else str(page.principal.subject),
        **named,
    }
    return page.show(template, error=error, **around)


async def carried_out(page: Page, draw: Drawing, work: Work) -> Response:
    """Do what a form asks and go on, or draw its page again with what is wrong and what was typed.

    The form that is drawn again has a new key, unless nobody knows what became of the old one.

    Args:
        page: On which the form was sent.
        draw: Draws the page on which the form is, with an error and with what was typed.
        work: Asks the API; returns where to go, and the word of what is said there.
    """
    form = await page.form()
    try:
        onward, said = await work(form)
    except (Refused, InvalidInput) as error:
        typed = {**form.fields, "to": page.request.url.path}
        if not (isinstance(error, Refused) and error.status >= HTTPStatus.INTERNAL_SERVER_ERROR):
            typed.pop(KEY, None)
        return await draw(error, typed)
    return page.go(onward, said)


def said_of(answer: Mapping[str, Any], done: str) -> str:
    """Return what is said after a call that one person may finish or has to ask a second one for."""
    return ASKED if "approval_id" in answer else done
