"""Whom one may be in a demo: one press of a button signs in, because everybody there is invented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response  # noqa: TC002 - FastAPI reads it

from nerava.identity.service import grant_role
from nerava.identity.sessions import OPS_LINK, PASSKEY, Client
from nerava.platform.policy import ANY_ROLE, Credential, Policy, Repeats, guarded
from nerava.platform.problem import NotFound
from nerava.web.api.wiring import Now  # noqa: TC001 - FastAPI reads it
from nerava.web.site.entering import come_in_as
from nerava.web.site.page import SCOPE, Shown, open_page, pages
from nerava.web.site.stepping_up import confirmed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from fastapi import APIRouter
    from sqlalchemy.orm import Session

    from nerava.identity.roles import Membership
    from nerava.identity.session_store import SessionKind
    from nerava.identity.sessions import Opened
    from nerava.installation import Installation

_WHY: Final = "everybody in a demo is invented, and it serves this machine"

_SHOWS: Final = Policy(roles=ANY_ROLE, scope=SCOPE, credential=Credential.COOKIE, repeats=Repeats.BY_MEANING)
"""Nobody in a demo has a passkey; whoever is signed in there may say that they showed one."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody one may be.

    Attributes:
        key: By which the page names them.
        what: What one can do as them, in a line.
        start: The page where they begin.
    """

    key: str
    name: str
    what: str
    subject: UUID
    membership: Membership
    kind: SessionKind
    start: str


def people_pages(installation: Installation, people: Sequence[Person]) -> APIRouter:
    """Return the pages on which one chooses whom to be, for the application of a demo and no other."""
    routes = pages("site")
    known = {one.key: one for one in people}

    @routes.get("/demo/people")
    @guarded(open_page(_WHY))
    async def choose(page: Shown) -> Response:
        return page.show("site/people.html", people=people)

    @routes.post("/demo/people")
    @guarded(open_page(_WHY, repeats=Repeats.BY_MEANING))
    async def come_in(page: Shown, now: Now) -> Response:
        form = await page.form()
        person = known.get(form.maybe("person"))
        if person is None:
            raise NotFound
        opened = await run_in_threadpool(_open, installation, person, now)
        come_in_as(page.request, opened, person.kind)
        return page.go(person.start)

    @routes.post("/demo/passkey")
    @guarded(_SHOWS)
    async def show_passkey(page: Shown, now: Now) -> Response:
        form = await page.form()
        mine = None if page.principal is None else page.principal.session_id
        if mine is None:
            raise NotFound
        await run_in_threadpool(
            installation.database.run,
            lambda session: installation.sessions.step_up(session, mine, PASSKEY, now),
        )
        return confirmed(page, form)

    return routes


def _open(installation: Installation, person: Person, now: datetime) -> Opened:
    """Sign somebody in as if with a passkey that was shown a moment ago."""

    def unit(session: Session) -> Opened:
        grant_role(session, person.subject, person.membership, granted_by="demo", now=now)
        return installation.sessions.open(
            session, person.subject, amr=(OPS_LINK,), now=now, client=Client("web"), kind=person.kind
        )

    return installation.database.run(unit, repeatable=True)
