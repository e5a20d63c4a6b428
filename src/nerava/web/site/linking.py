"""Signing in on pages with a link that comes by e-mail, in the browser that asked or in another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from nerava.identity.challenges import CodeWrong
from nerava.identity.contacts import ContactInvalid
from nerava.identity.links import Opening, PairCodeNeeded
from nerava.platform.policy import Repeats, guarded
from nerava.web.api.arrival import Asking
from nerava.web.api.signing_in import BROWSER_COOKIE, keep_browser_token
from nerava.web.api.wiring import Now
from nerava.web.site.entering import come_in, kind_for
from nerava.web.site.page import Shown, local, open_page, pages

routes: Final = pages("site")

_SHOWS: Final = open_page("this is how people sign in")
_ENTERS: Final = open_page("this is how people sign in", repeats=Repeats.BY_MEANING)


@routes.post("/sign-in/link/ask")
@guarded(_ENTERS)
async def ask_for_link(page: Shown, asker: Asking, now: Now) -> Response:
    """Send a link and show the code for whoever opens it in another browser."""
    form = await page.form()
    onward, to = local(form.maybe("next")), form.maybe("to", most=254)
    try:
        asked = await run_in_threadpool(page.wired.links.start, to, asker, now)
    except ContactInvalid as error:
        kind = kind_for(onward).value
        return page.show("site/sign_in.html", error=error, next=onward, typed=form.fields, kind=kind)
    answer = page.show("site/link_sent.html", to=to, pair_code=asked.pair_code)
    keep_browser_token(answer, asked.browser_token)
    return answer


@routes.get("/sign-in/link")
@guarded(_SHOWS)
async def open_link(page: Shown) -> Response:
    """Show the page to which the link leads; what the link carries stays behind the # in the browser."""
    return page.show("site/link.html", needs_code=False)


@routes.post("/sign-in/link")
@guarded(_ENTERS)
async def consume_link(page: Shown, asker: Asking, now: Now) -> Response:
    """Use a link up, open a session of this browser, and show the wallet."""
    form = await page.form()
    browser_token = page.request.cookies.get(BROWSER_COOKIE)
    opening = Opening(form.text("token", most=100), browser_token, form.maybe("pair_code", most=20) or None)
    onward = "/wallet"
    wanted = replace(asker, kind=kind_for(onward))
    try:
        opened = await run_in_threadpool(page.wired.links.consume, opening, wanted, now)
    except (PairCodeNeeded, CodeWrong) as error:
        return page.show("site/link.html", error=error, needs_code=True)
    return come_in(page, opened, onward)
