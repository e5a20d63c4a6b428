"""What an endpoint of a page works with: its caller, the API as that caller sees it, and how it answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from nerava.identity.errors import (
    NotSignedIn,
    RoleAmbiguous,
    RoleNotAllowed,
    SessionEnded,
    StepUpRequired,
)
from nerava.identity.guard import SAFE_METHODS, Principal
from nerava.identity.roles import SCOPES, Role
from nerava.identity.web_sessions import COOKIE
from nerava.kernel.errors import NeravaError
from nerava.platform.cross_site import FIELD
from nerava.platform.policy import Credential, GuardedRoute, Policy, Repeats
from nerava.web.api import problem_handlers
from nerava.web.api.wiring import Wiring, wiring_of
from nerava.web.site.calling import Api, Refused
from nerava.web.site.forms import Form, read_form
from nerava.web.site.rendering import drawn
from nerava.web.site.words import SAID

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from nerava.platform.problem import InputError

SCOPE: Final = "profile:read"
"""What everybody may; a page shows and does what the API lets its caller."""

LOCAL: Final = re.compile(r"/[A-Za-z0-9/_.~?&=%:-]{0,300}", re.ASCII)
"""An address of ours that one may be sent back to: a path, never another host."""

Wrong = Refused | NeravaError
"""Why a form was not carried out: the API said no, or a field could not be read."""


def page_for(*roles: Role, repeats: Repeats = Repeats.SAFE) -> Policy:
    """Return the policy of a page for these roles; what the page asks of the API is checked there."""
    named = tuple(role.value for role in roles)
    return Policy(roles=named, scope=SCOPE, credential=Credential.COOKIE, repeats=repeats)


def open_page(why: str, *, repeats: Repeats = Repeats.SAFE) -> Policy:
    """Return the policy of a page for everybody; its forms must still come from our own pages."""
    return Policy(public=why, credential=Credential.COOKIE, repeats=repeats)


@dataclass(frozen=True, slots=True)
class Page:
    """One request for a page.

    Attributes:
        area: Whose part of the site it is: `driver`, `merchant`, `sponsor`, `ops` or `site`.
        principal: Who looks at it; None on a page for everybody.
        said: What was done just before, in words; empty for nothing.
    """

    request: Request
    wired: Wiring
    area: str
    api: Api
    principal: Principal | None
    said: str = ""

    def show(
        self, template: str, *, error: Wrong | None = None, status: int = HTTPStatus.OK, **shown: object
    ) -> Response:
        """Return a page drawn from a template; with an error it says what went wrong, with that status."""
        return _shown(self.request, self.area, template, {**shown, "said": self.said}, (error, status))

    def go(self, path: str, said: str = "") -> Response:
        """Send the browser on with a GET, so that reloading repeats nothing; `said` is a word of `SAID`."""
        if said:
            path += f"{'&' if '?' in path else '?'}said={said}"
        return RedirectResponse(path, HTTPStatus.SEE_OTHER)

    async def form(self) -> Form:
        """Return the form that was sent.

        Raises:
            InvalidInput: It could not be read (422).
        """
        read = await read_form(self.request)
        self.request.state.sent = read.fields
        return read


class PageRoute(GuardedRoute):
    """A route that people look at: what refuses them is a page, and who is not signed in may sign in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler; nothing it raises leaves as JSON."""
        inner = super().get_route_handler()
        area = str(next(iter(self.tags), "site"))

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except (NotSignedIn, SessionEnded) as error:
                if request.method in SAFE_METHODS:
                    return RedirectResponse(f"/sign-in?next={quote(here(request))}", HTTPStatus.SEE_OTHER)
                return await _refusal(request, area, error)
            except RoleAmbiguous:
                return RedirectResponse(f"/choose?next={quote(here(request))}", HTTPStatus.SEE_OTHER)
            except Refused as error:
                return _problem_page(request, area, error.problem, error.status)
            except (NeravaError, RequestValidationError, HTTPException) as error:
                return await _refusal(request, area, error)

        return handle


def pages(area: str, prefix: str = "") -> APIRouter:
    """Return the router of a part of the site."""
    return APIRouter(prefix=prefix, tags=[area], route_class=PageRoute, include_in_schema=False)


def here(request: Request) -> str:
    """Return the address of a page as one comes back to it."""
    query = request.url.query
    path = request.url.path + (f"?{query}" if query else "")
    return path if LOCAL.fullmatch(path) else "/"


def local(address: str) -> str:
    """Return an address that somebody may be sent on to: ours, or the first page."""
    return address if LOCAL.fullmatch(address) and not address.startswith("//") else "/"


async def _page(request: Request, said: Annotated[str, Query(pattern=r"^[a-z-]{0,40}$")] = "") -> Page:
    wired = wiring_of(request)
    principal = getattr(request.state, "principal", None)
    area = str(next(iter(request.scope["route"].tags), "site"))
    return Page(request, wired, area, _api(request, wired, principal), principal, SAID.get(said, ""))


Shown = Annotated[Page, Depends(_page)]
"""The page that is asked for."""


def _api(request: Request, wired: Wiring, principal: Principal | None) -> Api:
    """Return the API as the caller sees it; the token is made for this request and never leaves us."""
    if principal is None:
        return Api(request.app, request.scope, None, None)
    token = wired.tokens.issue(
        principal.subject,
        scopes=SCOPES[principal.acting.role],
        session_id=principal.session_id,
        methods=["cookie"],
    )
    return Api(request.app, request.scope, token, principal.acting.name)


async def _refusal(request: Request, area: str, error: Exception) -> Response:
    """Return the page that says why, after whoever counts and writes down refusals has done so."""
    if isinstance(error, NeravaError):
        answer = await problem_handlers.on_refusal(request, error)
    elif isinstance(error, RequestValidationError):
        answer = await problem_handlers.on_invalid_input(request, error)
    else:
        answer = await problem_handlers.on_http_exception(request, error)
    page = _problem_page(request, area, json.loads(bytes(answer.body)), answer.status_code)
    for name in ("retry-after", "allow"):
        if name in answer.headers:
            page.headers[name] = answer.headers[name]
    return page


def _problem_page(request: Request, area: str, problem: dict[str, Any], status: int) -> Response:
    wrong = Refused(status, problem)
    shown = {"said": "", "is_role": problem.get("code") == RoleNotAllowed.code}
    return _shown(request, area, "site/problem.html", shown, (wrong, status))


def _shown(
    request: Request,
    area: str,
    template: str,
    shown: dict[str, Any],
    outcome: tuple[Wrong | None, int],
) -> Response:
    error, status = outcome
    problem = None if error is None else _told(error)
    wired = wiring_of(request)
    around = {
        "area": area,
        "path": request.url.path,
        "here": here(request),
        "csrf": getattr(request.state, "csrf_token", ""),
        "principal": getattr(request.state, "principal", None),
        # On a page for everybody: somebody seems to be signed in, and nobody looked whether it is so.
        "is_known": COOKIE in request.cookies,
        "currency": wired.currency,
        "is_demo": getattr(request.app.state, "is_demo", False),
        "problem": problem,
    }
    if problem is not None and status == HTTPStatus.OK:
        status = int(problem["status"])
    if problem is not None and problem.get("code") == StepUpRequired.code:
        template, around["problem"] = "site/step_up.html", None
        shown = {"said": "", "is_strong": problem.get("step_up") == "strong", **_interrupted(request)}
    return Response(drawn(template, around | shown), status, media_type="text/html")


def _interrupted(request: Request) -> dict[str, Any]:
    """Return the form that waits until its sender has shown who they are, so that it can be sent again."""
    sent = dict(getattr(request.state, "sent", {}))
    sent.pop(FIELD, None)
    changes = request.method not in SAFE_METHODS
    return {"to": request.url.path if changes else "", "next": here(request), "again": json.dumps(sent)}


def _told(error: Wrong) -> dict[str, Any]:
    """Return a refusal as pages show it: what happened, and where in the form."""
    if isinstance(error, Refused):
        return {
            "title": "That did not work",
            "detail": "",
            "errors": [],
            **error.problem,
            "status": error.status,
        }
    return {
        "title": error.title,
        "detail": error.detail,
        "code": error.code,
        "status": int(error.status),
        "errors": [one.model_dump() for one in _errors(error)],
    }


def _errors(error: NeravaError) -> tuple[InputError, ...]:
    return getattr(error, "errors", ())
