"""Pages: one cookie that changes and runs out, and nothing that another site can make a browser do (S11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from nerava.audit import AuditLog
from nerava.identity.denials import Denials
from nerava.identity.guard import SignedIn, TokenGuard
from nerava.identity.keys import KeyRing
from nerava.identity.page_guard import VISIT_COOKIE, PageGuard, RouteGuard
from nerava.identity.revocation import Revocations
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.session_store import Ended, SessionKind
from nerava.identity.sessions import Client, Sessions
from nerava.identity.standing import StandingDirectory
from nerava.identity.tokens import AccessTokens
from nerava.identity.user_store import AppUser, UserState
from nerava.identity.web_sessions import COOKIE, IDLE_LIFE, WebSessions
from nerava.integrations.ocpi.guard import PeerGuard
from nerava.kernel.clock import FixedClock
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.platform.cross_site import FIELD, HEADER, CrossSite
from nerava.platform.db import Database
from nerava.platform.edge import Edge
from nerava.platform.limits import Limits
from nerava.platform.policy import (
    Assurance,
    Credential,
    GuardedRoute,
    Policy,
    Repeats,
    StepUp,
    Unthrottled,
    guarded,
)
from nerava.platform.secrets import Secrets
from nerava.web.api import problem_handlers
from tests.helpers.parallel import in_parallel
from tests.http.test_problems import assert_problem
from tests.identity.test_refreshing import by_user

pytestmark = pytest.mark.in_turn

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
OWN = "https://nerava.example"
SAME_SITE = {"Sec-Fetch-Site": "same-origin", "Origin": OWN}

routes: Final = APIRouter(route_class=GuardedRoute)


class NameIn(BaseModel):
    name: str = ""


def page(role: Role, **more: Any) -> Policy:
    """Return the policy of a page."""
    return Policy(roles=(role.value,), scope="profile:read", credential=Credential.COOKIE, **more)


@routes.get("/me")
@guarded(page(Role.DRIVER))
async def show(request: Request, caller: SignedIn) -> dict[str, str]:
    return {"subject": str(caller.subject), "csrf": request.state.csrf_token}


@routes.post("/me")
@guarded(page(Role.DRIVER, repeats=Repeats.BY_MEANING))
async def change(caller: SignedIn) -> dict[str, str]:
    return {"subject": str(caller.subject)}


@routes.put("/me")
@guarded(page(Role.DRIVER, repeats=Repeats.BY_MEANING))
async def change_by_json(body: NameIn, caller: SignedIn) -> dict[str, str]:
    return {"name": body.name}


@routes.get("/merchant")
@guarded(page(Role.MERCHANT_OWNER))
async def merchant() -> dict[str, str]:
    return {}


@routes.get("/strong")
@guarded(page(Role.DRIVER, assurance=Assurance.STRONG))
async def strong() -> dict[str, str]:
    return {}


@routes.get("/fresh")
@guarded(page(Role.DRIVER, step_up=StepUp.PASSKEY))
async def fresh() -> dict[str, str]:
    return {}


@routes.get("/sign-in")
@guarded(Policy(public="a form for signing in", credential=Credential.COOKIE))
async def form(request: Request) -> dict[str, str]:
    return {"csrf": request.state.csrf_token}


@routes.post("/sign-in")
@guarded(Policy(public="a form for signing in", credential=Credential.COOKIE, repeats=Repeats.BY_MEANING))
async def sent() -> dict[str, str]:
    return {}


@routes.get("/token-only")
@guarded(Policy(roles=("driver",), scope="profile:read"))
async def token_only() -> dict[str, str]:
    return {}


@dataclass
class Site:
    """Pages on a database, and a clock that is moved."""

    database: Database
    clock: FixedClock
    sessions: Sessions
    web: WebSessions
    client: TestClient

    def sign_in(
        self, kind: SessionKind = SessionKind.WEB_DRIVER, *roles: Role, amr: tuple[str, ...] = ("sms",)
    ) -> tuple[UUID, UUID, str]:
        """Return user, session and cookie of somebody who has just signed in."""
        user_id, now = new_id(), self.clock.now()

        def unit(session: Session) -> tuple[UUID, str]:
            for role in roles or (Role.DRIVER,):
                grant_role(session, user_id, Membership(role, user_id), granted_by="test", now=now)
            return self.web.open(session, user_id, kind, amr=amr, client=Client("web"), now=now)

        session_id, value = self.database.run(unit)
        return user_id, session_id, value

    def ask(self, method: str, path: str, value: str = "", **more: Any) -> Any:
        """Send a request with a session cookie, as a browser that got it would."""
        headers = {"Cookie": f"{COOKIE}={value}"} | more.pop("headers", {})
        return self.client.request(method, path, headers=headers, **more)

    def after(self, span: timedelta) -> None:
        """Let time pass."""
        self.clock.move_to(self.clock.now() + span)


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[Site]:
    clock = FixedClock(START)
    tokens = AccessTokens(KeyRing(tmp_path / "keys", clock), clock)
    secrets = Secrets({}, clock, made_in=tmp_path / "keys")
    sessions = Sessions(tokens)
    web = WebSessions(sessions)
    directory, revocations = StandingDirectory(database, clock), Revocations(database, clock)
    app = FastAPI(openapi_url=None)
    app.router.routes[:] = routes.routes
    app.state.throttle = Unthrottled()
    app.state.guard = RouteGuard(
        TokenGuard(tokens, directory, revocations, clock),
        PageGuard(database, web, CrossSite(secrets, [OWN]), clock),
        PeerGuard(database, clock, is_on=False),
    )
    limits = Limits(database, secrets)
    app.state.denials = Denials(database, limits, AuditLog(), clock)
    app.add_exception_handler(NeravaError, problem_handlers.on_refusal)
    app.add_middleware(Edge)
    with TestClient(app, base_url=OWN, raise_server_exceptions=False) as client:
        client.cookies.clear()
        yield Site(database, clock, sessions, web, client)


def test_a_cookie_opens_the_pages_of_its_user(site: Site) -> None:
    user_id, _, value = site.sign_in()
    answer = site.ask("GET", "/me", value)
    assert answer.json()["subject"] == str(user_id)
    assert "set-cookie" not in answer.headers
    assert len(value) == 43


@pytest.mark.parametrize("value", ["", "x", "a" * 43, "a" * 10_000])
def test_another_value_opens_nothing(site: Site, value: str) -> None:
    site.sign_in()
    assert_problem(site.ask("GET", "/me", value), 401, "not-signed-in")


def test_a_cookie_is_no_token_and_a_token_is_no_cookie(site: Site) -> None:
    user_id, _, value = site.sign_in()
    token = site.database.run(
        lambda session: site.sessions.open_command(session, user_id, Role.DRIVER, START)
    )
    assert_problem(site.ask("GET", "/token-only", value), 401, "not-signed-in")
    assert_problem(
        site.client.get("/token-only", headers={"Authorization": f"Bearer {value}"}), 401, "invalid-token"
    )
    assert_problem(site.client.get("/me", headers={"Authorization": f"Bearer {token}"}), 401, "not-signed-in")
    assert site.client.get("/token-only", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("kind", list(IDLE_LIFE))
def test_each_kind_runs_out_when_it_is_not_used(site: Site, kind: SessionKind) -> None:
    role = Role.DRIVER if kind is SessionKind.WEB_DRIVER else Role.MERCHANT_OWNER
    path = "/me" if kind is SessionKind.WEB_DRIVER else "/merchant"
    _, _, value = site.sign_in(kind, role)
    opens = kind in {SessionKind.WEB_DRIVER, SessionKind.WEB_MERCHANT}
    site.after(IDLE_LIFE[kind] - timedelta(seconds=1))
    answer = site.ask("GET", path, value)
    if kind is SessionKind.WEB_REGISTER:  # Its shift is as long as it may rest.
        site.after(timedelta(seconds=1))
    else:
        assert answer.status_code == (200 if opens else 403), answer.text
        site.after(IDLE_LIFE[kind])
    assert_problem(site.ask("GET", path, value), 401, "session-ended" if not opens else ended_or_gone(kind))


def ended_or_gone(kind: SessionKind) -> str:
    """Return what is said about the first value of a session that has been used for a day or longer."""
    return "not-signed-in" if kind is SessionKind.WEB_DRIVER else "session-ended"


def test_use_keeps_a_session_alive_until_its_last_hour(site: Site) -> None:
    _, _, value = site.sign_in(SessionKind.WEB_MERCHANT, Role.MERCHANT_OWNER)
    for _ in range(15):  # 165 of its 168 hours
        site.after(timedelta(hours=11))
        answer = site.ask("GET", "/merchant", value)
        assert answer.status_code == 200
        value = new_value(answer) or value
    site.after(timedelta(hours=3))
    assert_problem(site.ask("GET", "/merchant", value), 401, "session-ended")


def new_value(answer: Any, name: str = COOKIE) -> str | None:
    """Return the value that an answer sets a cookie to, after checking how it is set."""
    for line in answer.headers.get_list("set-cookie"):
        if line.startswith(f"{name}="):
            assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(line.split("; "))
            assert "Domain" not in line
            return str(line.partition("=")[2].partition(";")[0])
    return None


def test_after_a_day_the_value_changes_once_and_the_old_one_works_ten_seconds_more(site: Site) -> None:
    user_id, _, old = site.sign_in()
    site.after(timedelta(hours=24))
    answers = in_parallel(8, lambda _: site.ask("GET", "/me", old))
    assert {answer.status_code for answer in answers} == {200}
    renewed = [value for value in map(new_value, answers) if value is not None]
    assert len(renewed) == 1
    assert renewed[0] != old

    site.after(timedelta(seconds=10))
    for value in (old, renewed[0]):
        assert site.ask("GET", "/me", value).json()["subject"] == str(user_id)
    site.after(timedelta(microseconds=1))
    assert_problem(site.ask("GET", "/me", old), 401, "not-signed-in")
    assert site.ask("GET", "/me", renewed[0]).status_code == 200


def test_signing_out_is_at_once(site: Site) -> None:
    user_id, session_id, value = site.sign_in()
    site.database.run(
        lambda session: site.sessions.end(
            session, session_id, START, because=Ended.SIGNED_OUT, by=by_user(user_id)
        )
    )
    assert_problem(site.ask("GET", "/me", value), 401, "session-ended")


def test_a_session_of_one_kind_gives_the_roles_of_that_kind_only(site: Site) -> None:
    _, _, value = site.sign_in(SessionKind.WEB_DRIVER, Role.DRIVER, Role.MERCHANT_OWNER)
    assert site.ask("GET", "/me", value).status_code == 200
    assert_problem(site.ask("GET", "/merchant", value), 403, "role-not-allowed")


def test_a_suspended_user_sees_nothing(site: Site) -> None:
    user_id, _, value = site.sign_in()
    site.database.run(
        lambda session: session.add(AppUser(id=user_id, created_at=START, state=UserState.SUSPENDED.value))
    )
    assert_problem(site.ask("GET", "/me", value), 403, "account-suspended")


def test_step_up_is_asked_for_by_name_and_lasts_five_minutes(site: Site) -> None:
    _, session_id, value = site.sign_in()
    assert assert_problem(site.ask("GET", "/strong", value), 403, "step-up-required")["step_up"] == "strong"
    assert assert_problem(site.ask("GET", "/fresh", value), 403, "step-up-required")["step_up"] == "passkey"

    def step_up(method: str) -> str:
        def unit(session: Session) -> str:
            site.sessions.step_up(session, session_id, method, site.clock.now())
            return site.web.renew(session, session_id, site.clock.now())

        return site.database.run(unit)

    value = step_up("totp")
    assert site.ask("GET", "/strong", value).status_code == 200
    assert_problem(site.ask("GET", "/fresh", value), 403, "step-up-required")
    value = step_up("passkey")
    site.after(timedelta(minutes=5))
    assert site.ask("GET", "/fresh", value).status_code == 200
    site.after(timedelta(microseconds=1))
    assert_problem(site.ask("GET", "/fresh", value), 403, "step-up-required")
    site.after(timedelta(hours=23, minutes=54))
    assert site.ask("GET", "/strong", value).status_code == 200
    site.after(timedelta(minutes=2))
    assert_problem(site.ask("GET", "/strong", value), 403, "step-up-required")


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "https://nerava.example.evil.example"},
    {"Origin": "https://evil-nerava.example"},
    {"Origin": "https://nerava.exampl"},
    {"Origin": "http://nerava.example"},
    {"Origin": "https://nerava.example:8443"},
    {"Origin": "https://nerava.example@evil.example"},
    {"Origin": "HTTPS://NERAVA.EXAMPLE"},
    {"Origin": OWN, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Referer": f"{OWN}/me"},
    {},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(("method", "path"), [("POST", "/me"), ("PUT", "/me"), ("POST", "/sign-in")])
def test_what_does_not_come_from_our_origin_changes_nothing(
    site: Site, headers: dict[str, str], method: str, path: str
) -> None:
    _, _, value = site.sign_in()
    visit = new_value(site.client.get("/sign-in"), VISIT_COOKIE)
    token = site.ask("GET", "/me", value).json()["csrf"]
    cookie = {"Cookie": f"{COOKIE}={value}; {VISIT_COOKIE}={visit}"}
    sent = {HEADER: token} | cookie | headers
    assert_problem(site.client.request(method, path, headers=sent), 403, "cross-site-request")


@pytest.mark.parametrize("origin", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": OWN}, SAME_SITE], ids=str)
def test_our_own_page_changes_things_with_its_token_alone(site: Site, origin: dict[str, str]) -> None:
    _, _, value = site.sign_in()
    _, _, other = site.sign_in()
    token = site.ask("GET", "/me", value).json()["csrf"]
    foreign = site.ask("GET", "/me", other).json()["csrf"]

    assert site.ask("POST", "/me", value, headers=origin, data={FIELD: token, "x": "1"}).status_code == 200
    assert site.ask("POST", "/me", value, headers=origin | {HEADER: token}).status_code == 200
    assert site.ask("PUT", "/me", value, headers=origin | {HEADER: token}, json={"name": "n"}).json() == {
        "name": "n"
    }
    for wrong in ("", token[:-1], token + "A", foreign):
        for sent in (
            {"headers": origin | {HEADER: wrong}},
            {"headers": origin, "data": {FIELD: wrong}},
            {"headers": origin, "data": {FIELD: [token, wrong]}},
        ):
            assert_problem(site.ask("POST", "/me", value, **sent), 403, "cross-site-request")
    assert_problem(site.ask("POST", "/me", value, headers=origin), 403, "cross-site-request")
    assert_problem(
        site.ask("PUT", "/me", value, headers=origin, json={"name": "n", FIELD: token}),
        403,
        "cross-site-request",
    )


def test_other_forms_of_bodies_are_not_read(site: Site) -> None:
    _, _, value = site.sign_in()
    token = site.ask("GET", "/me", value).json()["csrf"]
    for kind in ("text/plain", "multipart/form-data; boundary=x"):
        headers = SAME_SITE | {"Content-Type": kind, HEADER: token}
        assert_problem(
            site.ask("POST", "/me", value, headers=headers, content=b"x"), 415, "unsupported-media-type"
        )


def test_a_form_for_signing_in_belongs_to_one_visit(site: Site) -> None:
    first, second = site.client.get("/sign-in"), site.client.get("/sign-in")
    site.client.cookies.clear()
    visit, token = new_value(first, VISIT_COOKIE), first.json()["csrf"]
    assert visit is not None

    def send(visit: str, token: str) -> Any:
        headers = SAME_SITE | {"Cookie": f"{VISIT_COOKIE}={visit}", HEADER: token}
        return site.client.post("/sign-in", headers=headers)

    assert send(visit, token).status_code == 200
    assert second.json()["csrf"] == token  # The browser sent the cookie back, so it is the same visit.
    other = site.client.get("/sign-in")
    for wrong_visit, wrong_token in ((visit, other.json()["csrf"]), ("a" * 43, token), ("", token), ("", "")):
        assert_problem(send(wrong_visit, wrong_token), 403, "cross-site-request")
