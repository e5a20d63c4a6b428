"""Staying signed in, seeing where, and signing out: at once for writes, within a second for reads, everywhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from nerava.app import create_app
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.session_store import RefreshToken
from nerava.identity.sessions import Client, Device, Opened
from nerava.identity.user_store import AppUser, UserState
from nerava.kernel.ids import new_id
from tests.helpers.device import DeviceKey
from tests.helpers.parallel import in_parallel
from tests.http.conftest import House, opened_house
from tests.http.test_problems import assert_problem
from tests.http.test_serving import serving
from tests.identity.test_tokens import Forger, forgeries

pytestmark = pytest.mark.in_turn

REFRESH_URL = "https://nerava.example/v1/auth/refresh"
WRITE = "/v1/idempotency-keys/k/cancel"


def sign_in(house: House, user_id: UUID | None = None, *, device: str | None = None) -> Opened:
    """Sign a driver in, as a code from a message does."""
    user_id = user_id or new_id()
    now = house.installation.clock.now()

    def unit(session: Session) -> Opened:
        grant_role(session, user_id, Membership(Role.DRIVER, user_id), granted_by="test", now=now)
        bound = Device(device) if device else None
        return house.installation.sessions.open(
            session, user_id, amr=("sms",), now=now, device=bound, client=Client("ios")
        )

    return house.installation.database.run(unit)


def bearer(opened: Opened | dict[str, Any]) -> dict[str, str]:
    """Return the header that signs in with these tokens."""
    token = opened.access_token if isinstance(opened, Opened) else opened["access_token"]
    return {"Authorization": f"Bearer {token}"}


def refresh(client: TestClient, token: str, proof: str | None = None) -> Any:
    """Exchange a refresh token."""
    headers = {} if proof is None else {"DPoP": proof}
    return client.post("/v1/auth/refresh", json={"refresh_token": token}, headers=headers)


@pytest.fixture
def offices(url: str, tmp_path: Path) -> Iterator[tuple[House, TestClient, TestClient]]:
    """A house and two applications that serve it, each with its own memory."""
    with opened_house(url, tmp_path) as house, ExitStack() as stack:
        settings, installation = house.installation.settings, house.installation
        apps = [create_app(settings, installation) for _ in range(2)]
        here, there = (stack.enter_context(TestClient(app)) for app in apps)
        yield house, here, there


def test_a_refresh_gives_tokens_that_work(house: House) -> None:
    opened = sign_in(house)
    answer = refresh(house.client, opened.refresh_token)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    assert body["session_id"] == str(opened.session_id)
    assert answer.headers["cache-control"] == "no-store"
    assert house.client.get("/v1/me", headers=bearer(body)).status_code == 200
    assert_problem(refresh(house.client, opened.refresh_token), 409, "refresh-in-progress")


def test_a_device_may_repeat_its_refresh_and_nobody_else_may(house: House) -> None:
    device, thief = DeviceKey(), DeviceKey()
    opened = sign_in(house, device=device.thumbprint)
    token, now = opened.refresh_token, house.installation.clock.now()

    def ask(key: DeviceKey | None) -> Any:
        proof = key.proof("POST", REFRESH_URL, now, token) if key else None
        return refresh(house.client, token, proof)

    assert_problem(ask(None), 401, "invalid-device-proof")
    assert_problem(ask(thief), 401, "invalid-device-proof")
    answers = in_parallel(8, lambda _: ask(device))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    stale = device.proof("POST", REFRESH_URL, now - timedelta(minutes=2), token)
    assert_problem(refresh(house.client, token, stale), 401, "invalid-device-proof")


def test_a_reused_token_kills_the_access_tokens_too(offices: tuple[House, TestClient, TestClient]) -> None:
    house, here, there = offices
    opened = sign_in(house)
    newest = refresh(here, opened.refresh_token).json()
    assert there.get("/v1/me", headers=bearer(newest)).status_code == 200
    house.installation.database.run(lambda session: age(session, opened.session_id))

    assert_problem(refresh(here, opened.refresh_token), 401, "invalid-refresh-token")

    assert_problem(there.post(WRITE, headers=bearer(newest)), 401, "session-ended")
    wait_for_end(there, bearer(newest))
    assert_problem(refresh(there, newest["refresh_token"]), 401, "invalid-refresh-token")


def test_signing_out_is_at_once_for_writes_and_within_a_second_for_reads_everywhere(
    offices: tuple[House, TestClient, TestClient],
) -> None:
    house, here, there = offices
    opened, other = sign_in(house), sign_in(house)
    for office in (here, there):  # Both remember the session.
        assert office.get("/v1/me", headers=bearer(opened)).status_code == 200

    assert here.post("/v1/auth/logout", headers=bearer(opened)).status_code == 204

    for office in (here, there):
        assert_problem(office.post(WRITE, headers=bearer(opened)), 401, "session-ended")
    for office in (here, there):
        wait_for_end(office, bearer(opened))
    assert_problem(refresh(there, opened.refresh_token), 401, "invalid-refresh-token")
    assert there.get("/v1/me", headers=bearer(other)).status_code == 200


def test_signing_out_everywhere_ends_every_session_of_the_user_and_no_other(house: House) -> None:
    user_id = new_id()
    mine, other = [sign_in(house, user_id) for _ in range(3)], sign_in(house)
    answer = house.client.post("/v1/auth/logout-all", headers=bearer(mine[0]))
    assert answer.json() == {"ended": 3}
    for one in mine:
        assert_problem(house.client.post(WRITE, headers=bearer(one)), 401, "session-ended")
        assert_problem(refresh(house.client, one.refresh_token), 401, "invalid-refresh-token")
    assert house.client.get("/v1/me/sessions", headers=bearer(other)).status_code == 200


def test_a_user_sees_where_they_are_signed_in_and_ends_one(house: House) -> None:
    user_id = new_id()
    here, elsewhere, stranger = sign_in(house, user_id), sign_in(house, user_id), sign_in(house)

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = house.client.get("/v1/me/sessions", headers=bearer(here)).json()[
            "sessions"
        ]
        return found

    assert {one["id"]: one["current"] for one in listed()} == {
        str(here.session_id): True,
        str(elsewhere.session_id): False,
    }
    assert {(one["kind"], one["client"], *one["methods"]) for one in listed()} == {("app", "ios", "sms")}
    for foreign in (stranger.session_id, new_id()):
        answer = house.client.delete(f"/v1/me/sessions/{foreign}", headers=bearer(here))
        assert_problem(answer, 404, "not-found")

    gone = f"/v1/me/sessions/{elsewhere.session_id}"
    assert house.client.delete(gone, headers=bearer(here)).status_code == 204
    assert_problem(house.client.delete(gone, headers=bearer(here)), 404, "not-found")
    assert_problem(house.client.post(WRITE, headers=bearer(elsewhere)), 401, "session-ended")
    assert [one["id"] for one in listed()] == [str(here.session_id)]
    assert house.client.get("/v1/me", headers=bearer(stranger)).status_code == 200


def test_a_suspended_user_may_do_nothing(house: House) -> None:
    user_id = new_id()
    opened, now = sign_in(house, user_id), house.installation.clock.now()
    house.installation.database.run(
        lambda session: session.add(AppUser(id=user_id, created_at=now, state=UserState.SUSPENDED.value))
    )
    assert_problem(house.client.post(WRITE, headers=bearer(opened)), 403, "account-suspended")
    assert_problem(house.client.get("/v1/me", headers=bearer(opened)), 403, "account-suspended")
    assert_problem(refresh(house.client, opened.refresh_token), 403, "account-suspended")


def test_a_token_of_no_session_or_of_another_users_is_no_token(house: House) -> None:
    opened = sign_in(house)
    tokens = house.installation.tokens
    orphan = tokens.issue(new_id(), scopes=["wallet:read"])
    crossed = tokens.issue(new_id(), scopes=["wallet:read"], session_id=opened.session_id)
    for token in (orphan, crossed):
        answer = house.client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert_problem(answer, 401, "invalid-token")


def test_a_session_ended_in_one_process_is_dead_in_another(
    database_url: Callable[[str], AbstractContextManager[str]], tmp_path: Path
) -> None:
    with (
        database_url("postgresql") as url,
        opened_house(url, tmp_path) as house,
        serving(url, tmp_path) as (_, port),
    ):
        opened = sign_in(house)
        app = create_app(house.installation.settings, house.installation)
        with TestClient(app) as here, httpx2.Client(base_url=f"http://127.0.0.1:{port}") as there:
            assert there.get("/v1/me", headers=bearer(opened)).status_code == 200
            assert here.post("/v1/auth/logout", headers=bearer(opened)).status_code == 204
            assert there.post(WRITE, headers=bearer(opened)).status_code == 401
            wait_for_end(there, bearer(opened))


def test_every_forged_token_is_refused_as_one_problem_and_nothing_is_fetched(sqlite_house: House) -> None:
    forged = forgeries(Forger(sqlite_house.installation.tokens))
    connections: list[object] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in {"socket.connect", "socket.getaddrinfo"}:
            connections.append(arguments)

    sys.addaudithook(watch)
    try:
        answers = {
            name: sqlite_house.client.get(
                "/v1/me", headers={"Authorization": f"Bearer {token}".encode("latin-1", "replace")}
            )
            for name, token in forged.items()
            if token
        }
    finally:
        watching = False
    assert len(answers) >= 25
    assert {(one.status_code, one.json()["type"]) for one in answers.values()} == {
        (401, "urn:nerava:problem:invalid-token")
    }
    assert connections == []


def wait_for_end(client: Any, headers: dict[str, str]) -> None:
    """Read until the session is refused, at most one second."""
    started = time.monotonic()
    while (answer := client.get("/v1/me", headers=headers)).status_code == 200:
        assert time.monotonic() - started < 1.0
        time.sleep(0.02)
    assert (answer.status_code, answer.json()["code"]) == (401, "session-ended")


def age(session: Session, session_id: UUID) -> None:
    """Let a minute pass for the tokens that a session has used."""
    rows = session.scalars(select(RefreshToken).where(RefreshToken.family_id == session_id))
    for row in rows:
        row.used_at = row.used_at and row.used_at - timedelta(minutes=1)
