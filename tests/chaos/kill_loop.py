"""Kills a posting process at random moments and compares what it acknowledged with what is there."""

from __future__ import annotations

import contextlib
import os
import select as readiness
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from sqlalchemy import select, text

from nerava.kernel.ids import new_id
from nerava.ledger.findings import Finding
from nerava.ledger.templates.session_reward import SessionGrant, session_reward
from nerava.outbox.model import OutboxEvent
from nerava.platform.db import Database, EngineOptions
from tests.chaos.poster import Order
from tests.helpers.financial_helpers import Books, findings

if TYPE_CHECKING:
    from random import Random

    from sqlalchemy.orm import Session

    from tests.chaos.broken_builds import Build
    from tests.chaos.life import Town

CHILD: Final = "child"
"""How the names of all children begin."""

ROOT: Final = Path(__file__).resolve().parents[2]
FIRST_ACKNOWLEDGEMENT_S: Final = 15
"""How long a child may take until it has posted anything."""

LOAD_S: Final = (0.05, 0.4)
"""A child is killed so long after its first acknowledgement, at random between the two."""


class Death(NamedTuple):
    """What one killed process left behind.

    Attributes:
        acknowledged: Keys that it was told are posted.
        posted: Keys of its chains that are in the database.
        lost: Acknowledged, but not there.
        orphans: Chains without their effect, and effects without their chain.
        ready_s: Seconds from the kill until a new process of ours could read and post again.
    """

    acknowledged: int
    posted: int
    lost: set[str]
    orphans: set[str]
    ready_s: float

    @property
    def unacknowledged(self) -> int:
        """Chains that were committed, but whose caller never heard of it."""
        return self.posted - self.acknowledged


class Nursery:
    """The process that forks posting children. A context manager."""

    def __init__(self, folder: Path, rng: Random) -> None:
        self._rng = rng
        self._pipe = folder / "acknowledgements"
        os.mkfifo(self._pipe)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.poster"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill_under_load(self, url: str, town: Town, name: str, build: Build = "sound") -> set[str]:
        """Let a child post and kill it with SIGKILL; return the keys it acknowledged.

        Raises:
            AssertionError: It did not post in time, failed, or ended before it was killed.
        """
        reader = os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            order = Order(url, town, name, self._rng.getrandbits(32), build, str(self._pipe))
            child = int(self._ask(order.to_json()))
            said = self._listen(reader, child)
        finally:
            os.close(reader)
        code = int(self._hear())
        complaints = [line for line in said if line.startswith("!")]
        if complaints or code != -signal.SIGKILL:
            raise AssertionError(f"the posting process ended with {code}: {complaints}")
        return set(said)

    def _listen(self, reader: int, child: int) -> list[str]:
        """Read until a random moment, kill the child, and read what it had still said."""
        heard = b""
        ends_at = time.monotonic() + FIRST_ACKNOWLEDGEMENT_S
        loaded = False
        while (left_s := ends_at - time.monotonic()) > 0:
            if readiness.select([reader], [], [], left_s)[0]:
                said = os.read(reader, 65_536)
                if heard and not said:
                    break  # It has ended by itself; its exit code will tell.
                heard += said
                if heard and not loaded:
                    loaded = True
                    ends_at = time.monotonic() + self._rng.uniform(*LOAD_S)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        if not loaded:
            raise AssertionError("the posting process posted nothing")
        while readiness.select([reader], [], [], 5)[0] and (more := os.read(reader, 65_536)):
            heard += more
        return heard.decode().splitlines()

    def _ask(self, line: str) -> str:
        if self._process.stdin is None:
            raise AssertionError("its input is a pipe")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> str:
        if self._process.stdout is None:
            raise AssertionError("its output is a pipe")
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        """Return the nursery, ready for orders."""
        return self

    def __exit__(self, *_: object) -> None:
        """Send it home."""
        self._process.communicate(timeout=30)


def autopsy(url: str, town: Town, name: str, acknowledged: set[str]) -> Death:
    """Open the database as a new process would, post, and say what of a dead one's work is there."""
    started = time.monotonic()
    database = Database(url, EngineOptions(pool_size=2))
    books = Books.of(database, "submit")
    try:
        books.must(session_reward(SessionGrant(town.campaigns[0], new_id(), town.drivers[0], 1)))
        ready_s = time.monotonic() - started
        posted, orphans = database.read(lambda session: (_posted(session, name), _orphans(session)))
    finally:
        books.ledger.close()
        database.close()
    return Death(len(acknowledged), len(posted), acknowledged - posted, orphans, ready_s)


def damage(url: str) -> list[Finding]:
    """Return everything that is wrong with the books, the file itself included."""
    database = Database(url)
    try:
        found = findings(database)
        if database.is_sqlite:
            said = database.read(
                lambda session: session.execute(text("PRAGMA integrity_check")).scalars().all()
            )
            found += [Finding("integrity", "the file", str(line)) for line in said if line != "ok"]
        return found
    finally:
        database.close()


def _posted(session: Session, name: str) -> set[str]:
    query = text("SELECT key FROM ledger_transfer WHERE position = 0 AND actor LIKE :residents")
    return {str(key) for key in session.execute(query, {"residents": f"{name}-%"}).scalars()}


def _orphans(session: Session) -> set[str]:
    """Return keys of chains without exactly one effect and one event (R28), and of these without a chain."""
    posted = _posted(session, CHILD)
    notes = Counter(session.execute(text("SELECT about FROM effect_note")).scalars())
    events = Counter(data["reference"] for data in session.scalars(select(OutboxEvent.data)))
    doubled = {about for found in (notes, events) for about, times in found.items() if times > 1}
    return doubled | (posted ^ set(notes)) | (posted ^ set(events))
