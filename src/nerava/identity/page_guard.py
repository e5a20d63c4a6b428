"""The guard of pages: a cookie for who calls, and proof that the request comes from a page of ours."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from fastapi.concurrency import run_in_threadpool

from nerava.identity.errors import AccountSuspended, NotSignedIn
from nerava.identity.guard import BY_ITSELF, SAFE_METHODS, Knocking, Principal, check_assurance, choose_role
from nerava.identity.web_sessions import ACTS_AS, COOKIE, IDLE_LIFE, VALUE_CHARACTERS
from nerava.platform.edge import set_cookie
from nerava.platform.policy import Credential

if TYPE_CHECKING:
    from datetime import datetime

    from fastapi import Request

    from nerava.identity.guard import TokenGuard
    from nerava.identity.web_sessions import Visit, WebSessions
    from nerava.kernel.clock import Clock
    from nerava.platform.cross_site import CrossSite
    from nerava.platform.db import Database
    from nerava.platform.policy import Guard, Policy

ACTING_COOKIE: Final = "__Host-nv_as"
"""Names which of several roles somebody chose for this browser; it gives nobody a role."""

VISIT_COOKIE: Final = "__Host-nv_v"
"""Names a visit before anybody has signed in, so that sign-in forms have a token, too."""


class PageGuard:
    """Lets requests with the session cookie through to pages.

    Leaves the `Principal` in `request.state.principal` and the token of the page's forms in
    `request.state.csrf_token`. Public pages get a token bound to the visit.
    """

    def __init__(
        self, database: Database, web_sessions: WebSessions, cross_site: CrossSite, clock: Clock
    ) -> None:
        self._database = database
        self._web_sessions = web_sessions
        self._cross_site = cross_site
        self._clock = clock

    async def __call__(self, request: Request, policy: Policy) -> None:
        """Check one request for a page.

        Raises:
            NotSignedIn: No cookie of ours (401).
            SessionEnded: Its session is over (401).
            CrossSiteRequest: It changes something and does not come from our page (403).
            AccountSuspended: The account may do nothing (403).
            RoleNotAllowed: The session is not of somebody who may do this (403).
            RoleAmbiguous: Several roles may, and the request names none (400).
            StepUpRequired: The page asks for a stronger or fresher sign-in (403).
        """
        if policy.public:
            await self._admit_visitor(request)
            return
        value = request.cookies.get(COOKIE, "")
        if len(value) != VALUE_CHARACTERS:
            raise NotSignedIn
        now = self._clock.now()
        by_itself = BY_ITSELF in request.headers
        visit = await run_in_threadpool(self._visit, value, now, by_itself=by_itself)
        standing = visit.standing
        request.state.knocking = Knocking(standing.user_id, standing.memberships, standing.session_id)
        bound_to = f"session:{standing.session_id}"
        if request.method not in SAFE_METHODS:
            await self._cross_site.check(request, bound_to)
        if standing.suspended:
            raise AccountSuspended
        memberships = tuple(one for one in standing.memberships if one.role in ACTS_AS[standing.kind])
        chosen = request.cookies.get(ACTING_COOKIE)
        if chosen not in {one.name for one in memberships}:
            chosen = None
        acting = choose_role(memberships, None, policy, request, chosen)
        check_assurance(standing, policy, now)
        if visit.renewed is not None:
            life_s = int(IDLE_LIFE[standing.kind].total_seconds())
            set_cookie(request.scope, COOKIE, visit.renewed, life_s=life_s)
        request.state.csrf_token = self._cross_site.token(bound_to)
        request.state.principal = Principal(standing.user_id, acting, memberships, standing.session_id)

    async def _admit_visitor(self, request: Request) -> None:
        value = request.cookies.get(VISIT_COOKIE, "")
        known = len(value) == VALUE_CHARACTERS
        if request.method not in SAFE_METHODS:
            await self._cross_site.check(request, f"visit:{value}" if known else "")
        elif not known:
            value = secrets.token_urlsafe(32)
            set_cookie(request.scope, VISIT_COOKIE, value)
        request.state.csrf_token = self._cross_site.token(f"visit:{value}")

    def _visit(self, value: str, now: datetime, *, by_itself: bool) -> Visit:
        found = self._database.read(lambda session: self._web_sessions.visit(session, value, now))
        if by_itself or not found.standing.use_is_due(now):
            return found
        return self._database.run(
            lambda session: self._web_sessions.note_use(session, value, found.standing, now), essential=True
        )


class RouteGuard:
    """Asks for the one kind of credential that a policy names; never for either of two.

    Peers of OCPI have a guard of their own, `peers`.
    """

    def __init__(self, tokens: TokenGuard, pages: PageGuard, peers: Guard) -> None:
        self._in_charge: dict[Credential, Guard] = {
            Credential.TOKEN: tokens,
            Credential.COOKIE: pages,
            Credential.OCPI: peers,
        }

    async def __call__(self, request: Request, policy: Policy) -> None:
        """Check one request. Raises what the guard in charge raises."""
        await self._in_charge[policy.credential](request, policy)
