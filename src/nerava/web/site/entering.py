"""Signing in and out on pages, by a code or a passkey, and under which of one's roles one acts."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from starlette.responses import Response

from nerava.audit import ActorKind
from nerava.identity.challenges import ChallengeOver, CodeWrong
from nerava.identity.contacts import Channel, ContactInvalid
from nerava.identity.one_time import Guess
from nerava.identity.page_guard import ACTING_COOKIE
from nerava.identity.session_store import Ended, SessionKind
from nerava.identity.sessions import EndedBy
from nerava.identity.web_sessions import COOKIE, IDLE_LIFE
from nerava.platform.edge import set_cookie
from nerava.platform.policy import ANY_ROLE, Credential, Policy, Repeats, guarded
from nerava.platform.problem import InvalidInput
from nerava.web.api.arrival import Asking
from nerava.web.api.factors import PasskeyShownIn
from nerava.web.api.wiring import Now
from nerava.web.site.page import SCOPE, Shown, local, open_page, pages

if TYPE_CHECKING:
    from nerava.identity.sessions import Opened

routes: Final = pages("site")

Next = Annotated[str, Query(max_length=300)]

_ENTER: Final = open_page("this is how people sign in")
_ENTERS: Final = open_page("this is how people sign in", repeats=Repeats.BY_MEANING)
_MINE: Final = Policy(roles=ANY_ROLE, scope=SCOPE, credential=Credential.COOKIE)
_MINE_CHANGES: Final = replace(_MINE, repeats=Repeats.BY_MEANING)

_CODE: Final = re.compile(r"\d{6}", re.ASCII)

_KINDS: Final = (
    ("/till", SessionKind.WEB_REGISTER),
    ("/merchant", SessionKind.WEB_MERCHANT),
    ("/sponsor", SessionKind.WEB_SPONSOR),
    ("/ops", SessionKind.WEB_OPS),
)
"""What kind of session an address wants; every other address is a driver's."""


def kind_for(address: str) -> SessionKind:
    """Return the kind of session that a page at this address wants."""
    for prefix, kind in _KINDS:
        if address == prefix or address.startswith((f"{prefix}/", f"{prefix}?")):
            return kind
    return SessionKind.WEB_DRIVER


@routes.get("/sign-in")
@guarded(_ENTER)
async def sign_in(page: Shown, next: Next = "/wallet") -> Response:  # noqa: A002 - the known name in an address
    """Show the form for a phone number or an e-mail address, and the button for a passkey."""
    return page.show("site/sign_in.html", next=local(next), typed={}, kind=kind_for(local(next)).value)


@routes.post("/sign-in/code")
@guarded(_ENTERS)
async def send_code(page: Shown, asker: Asking, now: Now) -> Response:
    """Send a code and show where to type it; the page is the same whether anybody is known there or not."""
    form = await page.form()
    onward = local(form.maybe("next"))
    to = form.maybe("to", most=254)
    try:
        channel = Channel.EMAIL if "@" in to else Channel.SMS
        asked = await run_in_threadpool(page.wired.codes.start, channel, to, asker, now)
    except ContactInvalid as error:
        return page.show(
            "site/sign_in.html", error=error, next=onward, typed=form.fields, kind=kind_for(onward).value
        )
    return page.show(
        "site/code.html",
        next=onward,
        to=to,
        challenge_id=str(asked.challenge_id),
        client_token=asked.client_token,
    )


@routes.post("/sign-in/verify")
@guarded(_ENTERS)
async def verify(page: Shown, asker: Asking, now: Now) -> Response:
    """Take the code, open a session of this browser, and send it on to where it wanted to go."""
    form = await page.form()
    onward = local(form.maybe("next"))
    code = form.maybe("code", most=20).replace(" ", "")
    guess = Guess(_uuid(form.text("challenge_id")), code, form.text("client_token", most=100))
    wanted = replace(asker, kind=kind_for(onward))
    try:
        _require_digits(code)
        opened = await run_in_threadpool(page.wired.codes.verify, guess, wanted, now)
    except (CodeWrong, ChallengeOver, InvalidInput) as error:
        return page.show(
            "site/code.html",
            error=error,
            next=onward,
            to=form.maybe("to"),
            challenge_id=form.text("challenge_id"),
            client_token=form.text("client_token"),
        )
    return come_in(page, opened, onward)


@routes.post("/sign-in/passkey")
@guarded(_ENTERS)
async def verify_passkey(page: Shown, asker: Asking, now: Now) -> Response:
    """Take a passkey's answer, open a session of this browser, and send it on."""
    form = await page.form()
    onward = local(form.maybe("next"))
    try:
        shown = PasskeyShownIn.model_validate_json(form.text("shown", most=20_000))
    except ValidationError:
        message = "the browser sent no passkey"
        raise InvalidInput(message) from None
    wanted = replace(asker, kind=kind_for(onward))
    enter = page.wired.proving.passkeys.sign_in
    opened = await run_in_threadpool(enter, shown.ceremony_id, shown.credential.answer(), wanted, now)
    return come_in(page, opened, onward)


@routes.post("/sign-out")
@guarded(_MINE_CHANGES)
async def sign_out(page: Shown, now: Now) -> Response:
    """End this browser's session and forget what it kept."""
    principal = page.principal
    if principal is not None and principal.session_id is not None:
        session_id, by = principal.session_id, EndedBy(ActorKind.USER, str(principal.subject))
        await run_in_threadpool(
            page.wired.database.run,
            lambda session: page.wired.sessions.end(
                session, session_id, now, because=Ended.SIGNED_OUT, by=by
            ),
        )
    for name in (COOKIE, ACTING_COOKIE):
        set_cookie(page.request.scope, name, "", life_s=0)
    answer = page.go("/sign-in", "signed-out")
    answer.headers["clear-site-data"] = '"cache", "storage"'
    return answer


@routes.get("/choose")
@guarded(_MINE)
async def choose(page: Shown, next: Next = "/") -> Response:  # noqa: A002 - the known name in an address
    """Show the roles that somebody has here, to choose one for this browser."""
    return page.show("site/choose.html", next=local(next), memberships=_memberships(page))


@routes.post("/choose")
@guarded(_MINE_CHANGES)
async def chosen(page: Shown) -> Response:
    """Keep the role that was chosen, for this browser."""
    form = await page.form()
    name = form.text("as", most=80)
    if name in {one["name"] for one in _memberships(page)}:
        set_cookie(page.request.scope, ACTING_COOKIE, name)
    return page.go(local(form.maybe("next")))


def come_in_as(request: Request, opened: Opened, kind: SessionKind) -> None:
    """Set the cookie of a session that was opened a moment ago, and forget which role another one chose."""
    set_cookie(request.scope, COOKIE, opened.cookie, life_s=int(IDLE_LIFE[kind].total_seconds()))
    set_cookie(request.scope, ACTING_COOKIE, "", life_s=0)


def come_in(page: Shown, opened: Opened, onward: str) -> Response:
    """Let somebody in who has shown who they are: set the cookie and send the browser on."""
    come_in_as(page.request, opened, kind_for(onward))
    return page.go(onward)


def _memberships(page: Shown) -> list[dict[str, str]]:
    if page.principal is None:
        return []
    return [{"name": one.name, "role": one.role.value} for one in page.principal.memberships]


def _require_digits(code: str) -> None:
    if not _CODE.fullmatch(code):
        message = "the code has six digits"
        raise InvalidInput(message)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        message = "open the page again"
        raise InvalidInput(message) from None
