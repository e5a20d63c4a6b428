"""A house that is open for business, on both databases, and clients that talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from nerava.app import create_app
from nerava.drivers import service as drivers
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.session_store import AuthSession
from nerava.identity.user_store import AppUser, UserState
from nerava.installation import Installation, open_installation
from nerava.kernel.clock import Clock
from nerava.kernel.ids import new_id
from nerava.ledger.audit import audit
from nerava.settings import DatabaseSettings, Group, Settings, TokenSettings, WorkerSettings
from nerava.web.checks import CHECKS
from tests.helpers.databases import DatabaseUrl, fresh_databases
from tests.helpers.financial_helpers import Books
from tests.helpers.other_bank import OtherBank
from tests.helpers.till import Till


@dataclass(frozen=True)
class Caller:
    """Somebody with a token: calls the API and hands back the answer."""

    client: TestClient
    token: str
    tenant_id: UUID
    subject: UUID

    def get(self, path: str, **more: Any) -> Any:
        """Send a GET."""
        return self.client.get(path, headers=self.headers(), **more)

    def post(self, path: str, body: object = None, *, key: str | None = None, **more: Any) -> Any:
        """Send a POST with a JSON body, keyed where a key is given."""
        headers = self.headers({"Idempotency-Key": key} if key is not None else {})
        return self.client.post(path, json=body, headers=headers, **more)

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the headers that sign the caller in."""
        return {"Authorization": f"Bearer {self.token}"} | dict(more or {})


@dataclass
class House:
    """An installation, its application, and the people who use it."""

    installation: Installation
    app: FastAPI
    client: TestClient
    books: Books
    tenants: dict[str, UUID] = field(default_factory=dict)

    def caller(self, role: Role, tenant_id: UUID | None = None, subject: UUID | None = None) -> Caller:
        """Return somebody new who has this role, has just shown a passkey, and has a token for it."""
        subject = subject or new_id()
        tenant_id = tenant_id or new_id()
        membership = Membership(role, tenant_id if role.has_tenant else None)
        database, now = self.installation.database, self.installation.clock.now()
        sessions = self.installation.sessions

        def unit(session: Session) -> str:
            grant_role(session, subject, membership, granted_by="test", now=now)
            token = sessions.open_command(session, subject, role, now)
            _show_passkey(session, subject, now)
            return token

        return Caller(self.client, database.run(unit), tenant_id, subject)

    def user(self) -> Caller:
        """Return somebody new with an account, who is a driver like everybody who signed up."""
        caller, now = self.driver(), self.installation.clock.now()
        account = AppUser(id=caller.subject, created_at=now, state=UserState.ACTIVE.value)
        self.installation.database.run(lambda session: session.add(account))
        return caller

    def grow_cold(self, caller: Caller) -> Caller:
        """Let six minutes pass since the caller last showed a passkey."""
        earlier = self.installation.clock.now() - timedelta(minutes=6)
        self.installation.database.run(lambda session: _show_passkey(session, caller.subject, earlier))
        return caller

    def narrowed(self, caller: Caller, *scopes: str) -> str:
        """Return a token of the same session that covers these scopes only."""
        tokens = self.installation.tokens
        claims = tokens.verify(caller.token)
        return tokens.issue(claims.subject, scopes=scopes, session_id=claims.session_id)

    def driver(self) -> Caller:
        """Return a new driver with an account."""
        ledger, now = self.installation.ledger, self.installation.clock.now()
        reference = f"test:{new_id()}"
        known = self.installation.database.run(
            lambda session: drivers.register(session, ledger, [reference], now)
        )
        return self.caller(Role.DRIVER, known[reference])

    def findings(self) -> list[object]:
        """Return what audit and verification find; nothing, always."""
        rewards = self.installation.database.read(lambda session: audit(session, CHECKS), patient=True)
        return [*self.books.findings(), *rewards]


def _show_passkey(session: Session, subject: UUID, at: datetime) -> None:
    mine = update(AuthSession).where(AuthSession.user_id == subject)
    session.execute(mine.values(strong_at=at, passkey_at=at))


@contextmanager
def opened_house(url: str, folder: Path, clock: Clock | None = None, **groups: Group) -> Iterator[House]:
    """Open a house on the database at this address; its background work does not run by itself.

    `groups` are further settings.
    """
    settings = Settings(
        env="test",
        database=DatabaseSettings(url=url, pool_size=40, pool_wait_ms=10_000),
        tokens=TokenSettings(keys_directory=folder / "keys"),
        worker=WorkerSettings(in_web_process=False),
        **groups,
    )
    installation = open_installation(settings, clock)
    if installation.paid_by is None:
        bank = OtherBank(clock=installation.clock)
        installation = replace(installation, paid_by=bank, payments=Till())
    app = create_app(settings, installation)
    books = Books.opened(installation.database, installation.ledger)
    try:
        yield House(installation, app, TestClient(app, raise_server_exceptions=False), books)
    finally:
        installation.close()


@pytest.fixture
def house(url: str, tmp_path: Path) -> Iterator[House]:
    """A fresh house, on both databases."""
    with opened_house(url, tmp_path) as opened:
        yield opened


@pytest.fixture
def sqlite_house(database_url: Callable[..., Any], tmp_path: Path) -> Iterator[House]:
    """A fresh house on SQLite, for what has nothing to do with the database."""
    with database_url("sqlite") as url, opened_house(url, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def database_url_of_module(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> DatabaseUrl:
    """Do what `database_url` does, for what many tests of one module share."""
    return fresh_databases(request, tmp_path_factory.mktemp("module"))
