"""A desk at which people sign in: a real database, a clock that is moved by hand, and a pigeon that brings messages."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from nerava.audit import AuditLog
from nerava.drivers import service as drivers
from nerava.identity.admission import Admission, Asker
from nerava.identity.asking import Desk, SmsRules
from nerava.identity.challenges import Asked, Codes
from nerava.identity.contacts import Channel
from nerava.identity.keys import KeyRing
from nerava.identity.links import Links
from nerava.identity.messages import Messages, Outgoing
from nerava.identity.one_time import Guess, Pepper
from nerava.identity.sessions import Opened, Sessions
from nerava.identity.tokens import AccessTokens
from nerava.kernel.clock import FixedClock
from nerava.kernel.outcomes import Ok, Outcome
from nerava.ledger import Ledger
from nerava.ledger.installing import install
from nerava.platform.client_address import Client
from nerava.platform.db import Database
from nerava.platform.limits import Limits
from nerava.platform.secrets import Secrets
from nerava.platform.vault import Vault

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PAGE = "https://nerava.example/sign-in/link"
ANN = "+12025550123"
MAIL = "ann@example.org"


@dataclass
class Pigeon:
    """A `Messenger` that keeps what it is given, or drops it and says so."""

    brought: list[tuple[Channel, str, str]] = field(default_factory=list)
    is_ill: bool = False

    def bring(self, message: Outgoing) -> Outcome[str]:
        """Keep a message."""
        if self.is_ill:
            raise OSError(f"cannot reach {message.to}")
        self.brought.append((message.channel, message.to, message.text))
        return Ok("")


def asker(number: int = 1) -> Asker:
    """Return somebody who asks; each number has an address block of its own."""
    high, low = divmod(number, 256)
    return Asker(Client(f"10.{high}.{low}.1", f"10.{high}.{low}.0/24"))


@dataclass
class SignIn:
    """Everything that signing in needs."""

    database: Database
    clock: FixedClock
    desk: Desk
    pigeon: Pigeon
    codes: Codes
    links: Links
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def now(self) -> datetime:
        """What the clock says."""
        return self.clock.now()

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.clock.move_to(self.now + timedelta(**span))

    def deliver(self) -> int:
        """Let the worker send what waits."""
        return self.desk.messages.deliver(self.now)

    def ask(self, to: str = ANN, number: int = 1) -> Asked:
        """Ask for a code."""
        channel = Channel.EMAIL if "@" in to else Channel.SMS
        return self.codes.start(channel, to, asker(number), self.now)

    def code_for(self, to: str = ANN) -> str:
        """Return the last code that was brought there, after the worker has run."""
        self.deliver()
        found = [brought for _, where, brought in self.pigeon.brought if where == to]
        match = re.match(r"[0-9]{6}", found[-1])
        assert match is not None
        return match[0]

    def token_for(self, to: str = MAIL) -> str:
        """Return the token of the last link that was brought there, after the worker has run."""
        self.deliver()
        found = [brought for _, where, brought in self.pigeon.brought if where == to]
        return found[-1].partition("#")[2].strip()

    def guess(self, asked: Asked, code: str, number: int = 1, work: str | None = None) -> Opened:
        """Try a code."""
        return self.codes.verify(
            Guess(asked.challenge_id, code, asked.client_token, work), asker(number), self.now
        )

    def enter(self, to: str = ANN, number: int = 1) -> Opened:
        """Sign in with a code."""
        asked = self.ask(to, number)
        return self.guess(asked, self.code_for(to), number)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Return what a query finds."""
        return self.database.read(lambda session: list(session.execute(text(statement), values)))

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def change(self, statement: str, **values: Any) -> None:
        """Change rows behind everybody's back."""
        self.database.run(lambda session: session.execute(text(statement), values))


def other_than(code: str) -> str:
    """Return a wrong code."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


@contextmanager
def open_desk(
    database: Database, folder: Path, *, at: datetime = NOON, sms: SmsRules | None = None
) -> Iterator[SignIn]:
    """Open a desk on a migrated database."""
    clock = FixedClock(at)
    ledger = Ledger(database, clock)
    database.run(lambda session: install(session, ledger, "USD"), repeatable=True)
    secrets = Secrets({}, clock, made_in=folder / "keys")
    vault, limits, audit = Vault(secrets), Limits(database, secrets), AuditLog()
    sessions = Sessions(AccessTokens(KeyRing(folder / "keys", clock), clock))
    pigeon = Pigeon()
    messages = Messages(database, vault, dict.fromkeys(Channel, pigeon))

    def welcome(session: Any, user_id: UUID, now: datetime) -> UUID:
        return drivers.register(session, ledger, [f"user:{user_id}"], now)[f"user:{user_id}"]

    admission = Admission(vault, limits, audit, sessions=sessions, welcome=welcome)
    rules = sms or SmsRules(prefixes=("+1",), per_day=1_000)
    desk = Desk(database, vault, limits, Pepper(secrets), messages, admission, rules)
    try:
        yield SignIn(database, clock, desk, pigeon, Codes(desk), Links(desk, PAGE))
    finally:
        ledger.close()


def replaced(one: Asked, **changes: Any) -> Asked:
    """Return what an asker got, with something else in it."""
    return replace(one, **changes)
