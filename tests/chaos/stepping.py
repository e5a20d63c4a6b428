"""Transactions that take one step at a time: a scheduler grants each statement and each commit.

An actor is a unit of work in a thread of its own. It stops before every statement it sends and
before its COMMIT, until the step is granted. One that waits for a lock of another is seen through
`pg_blocking_pids` (on SQLite, because another one holds the turn to write) and is left alone until
the other lets go.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from sqlalchemy import event

from nerava.ledger import posting
from nerava.ledger.store_postgresql import PostgresEngine
from nerava.ledger.store_sqlite import SqliteEngine
from nerava.platform.db import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from nerava.ledger.store import Engine

Result = TypeVar("Result")

PATIENCE_S: Final = 10
"""A step that neither ends nor waits for another actor by then is a mistake of the test."""

GLANCE_S: Final = 0.002
"""How long a step may take until it is asked whether it waits for a lock."""

_here = threading.local()


class Actor:
    """One unit of work that waits before each of its steps.

    Attributes:
        steps: How many steps it has come to.
        result: What the work returned.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._granted = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.at_gate = False
        self.done = False
        self.backend: int | None = None
        self.wants_turn = False
        self.steps = 0
        self.result: object = None

    def start(self) -> None:
        """Let it run up to its first step."""
        self._thread.start()

    def gate(self, backend: int | None) -> None:
        """Wait until the next step is granted; called by its own thread."""
        self.backend = backend
        self.steps += 1
        self._stopped.release()
        self._granted.acquire()

    def grant(self) -> None:
        """Grant the step it stands before."""
        self.at_gate = False
        self._granted.release()

    def arrived(self, within_s: float) -> bool:
        """Whether it stands before its next step, or has ended.

        Raises:
            BaseException: What its work raised.
        """
        if not (self.at_gate or self.done) and self._stopped.acquire(timeout=within_s):
            self.done = self._ended
            self.at_gate = not self._ended
            if self._error is not None:
                raise self._error
        return self.at_gate or self.done

    def _run(self) -> None:
        _here.actor = self
        try:
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001 - raised where the scheduler looks
            self._error = error
        self._ended = True
        self._stopped.release()


class SteppedDatabase(Database):
    """A database whose units of work stop before every step, where an actor runs them.

    To be closed; it puts gates into the ledger's own statements until then.
    """

    def __init__(self, url: str, conninfo: str | None) -> None:
        super().__init__(url)
        self._monitor = psycopg.connect(conninfo, autocommit=True) if conninfo else None
        self._turn_of: Actor | None = None
        self._engine_for = posting.engine_for
        posting.engine_for = _gated_engine_for
        event.listen(self._engine, "before_cursor_execute", _before_statement)
        event.listen(self._engine, "commit", _before_commit)

    def close(self) -> None:
        """Close every connection and take the gates away."""
        posting.engine_for = self._engine_for
        if self._monitor is not None:
            self._monitor.close()
        super().close()

    def waits(self, actor: Actor, others: Sequence[Actor]) -> bool:
        """Whether an actor waits for a lock that one of the others holds."""
        if self._monitor is None:
            return actor.wants_turn and self._turn_of in others
        if actor.backend is None:
            return False  # It is still on its way to its first statement.
        row = self._monitor.execute("SELECT pg_blocking_pids(%s)", (actor.backend,)).fetchone()
        blocking = row[0] if row else []
        return any(other.backend in blocking for other in others)

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        actor: Actor | None = getattr(_here, "actor", None)
        if actor is None or not self.is_sqlite:
            with super()._my_turn():
                yield
            return
        actor.wants_turn = True
        with super()._my_turn():
            self._turn_of, actor.wants_turn = actor, False
            try:
                yield
            finally:
                self._turn_of = None


class DeadEnd(AssertionError):
    """Nobody moves any more, and nobody waits for anybody."""


def run_interleaved(
    database: SteppedDatabase, works: Sequence[Callable[[], object]], schedule: Sequence[int]
) -> list[Actor]:
    """Run works step by step as the schedule says, then to their end in turns; return the actors.

    A step of an actor that waits for another, or has ended, is passed over.

    Raises:
        DeadEnd: A step took longer than `PATIENCE_S` and nobody held it up.
    """
    actors = [Actor(work) for work in works]
    for actor in actors:
        actor.start()
        _settle(database, actor, actors)
    for number in schedule:
        _step(database, actors[number], actors)
    deadline = time.monotonic() + PATIENCE_S
    while not all(actor.done for actor in actors):
        for actor in actors:
            _step(database, actor, actors)
        if time.monotonic() > deadline:
            raise DeadEnd("the actors wait for each other")
    return actors


def _step(database: SteppedDatabase, actor: Actor, actors: Sequence[Actor]) -> None:
    moved = actor.at_gate
    if moved:
        actor.grant()
    # Whoever was waiting may go on now; where everybody stands must be known before the next step.
    for one in (actor, *(other for other in actors if other is not actor)):
        _settle(database, one, actors, patient=one is actor and moved)


def _settle(
    database: SteppedDatabase, actor: Actor, actors: Sequence[Actor], *, patient: bool = True
) -> None:
    """Wait until an actor stands before a step, has ended, or waits for another.

    One that has just been granted a step is given a glance of time before anybody asks about locks;
    one that was waiting before is most likely waiting still.
    """
    deadline = time.monotonic() + PATIENCE_S
    others = [one for one in actors if one is not actor]
    glance_s = GLANCE_S if patient else 0
    while not actor.arrived(glance_s):
        if database.waits(actor, others):
            return
        glance_s = GLANCE_S
        if time.monotonic() > deadline:
            raise DeadEnd("a step does not end, and nobody holds it up")


class _GatedCursor:
    """A cursor that lets its actor wait before each statement."""

    def __init__(self, cursor: Any, backend: int | None) -> None:
        self._cursor = cursor
        self._backend = backend

    def execute(self, *statement: object) -> Any:
        _pass_gate(self._backend)
        return self._cursor.execute(*statement)

    def executemany(self, *statement: object) -> Any:
        _pass_gate(self._backend)
        return self._cursor.executemany(*statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


def _gated_engine_for(session: Session) -> Engine:
    connection = session.connection()
    cursor = _GatedCursor(connection.connection.cursor(), _backend_of(connection))
    return PostgresEngine(cursor) if connection.dialect.name == "postgresql" else SqliteEngine(cursor)


def _before_statement(connection: Connection, *_: object) -> None:
    _pass_gate(_backend_of(connection))


def _before_commit(connection: Connection) -> None:
    _pass_gate(_backend_of(connection))


def _backend_of(connection: Connection) -> int | None:
    if connection.dialect.name != "postgresql":
        return None
    raw: Any = connection.connection.dbapi_connection
    return int(raw.info.backend_pid)


def _pass_gate(backend: int | None) -> None:
    actor: Actor | None = getattr(_here, "actor", None)
    if actor is not None:
        actor.gate(backend)
