"""Builds that break a promise on purpose, so that the tests can show that they would notice."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from sqlalchemy.orm import Session

from nerava.ledger import posting
from nerava.ledger.store_postgresql import PostgresEngine
from nerava.ledger.store_sqlite import SqliteEngine
from nerava.platform.db import Database, DatabaseUnavailable, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.ledger.store import Engine

Result = TypeVar("Result")

Build = Literal["sound", "answers-before-commit", "commits-half"]

LATE_S: Final = 0.03
"""How much later a broken build does what it should have done before."""


class AnswersBeforeCommit(Database):
    """A unit of work that returns its result first and commits a moment later."""

    def _once(self, work: Callable[[Session], Result]) -> Result:
        turn = self._my_turn()
        turn.__enter__()
        session = Session(self._engine, expire_on_commit=False)
        result = work(session)

        def later() -> None:
            time.sleep(LATE_S)
            session.commit()
            session.close()
            turn.__exit__(None, None, None)

        threading.Thread(target=later, daemon=True).start()
        return result


class CallsTheUnknownFailed(Database):
    """A unit of work that says "not executed" when the answer to COMMIT was lost."""

    def run(self, work: Callable[[Session], Result], *, repeatable: bool = False) -> Result:
        try:
            return super().run(work, repeatable=False)
        except OutcomeUnknown as error:
            raise DatabaseUnavailable from error


class _CommitsHalf:
    """A cursor that commits between the first and the second statement of a batch that writes."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._wrote = False

    def execute(self, statement: str, *parameters: object) -> Any:
        self._between(statement)
        return self._cursor.execute(statement, *parameters)

    def executemany(self, statement: str, *parameters: object) -> Any:
        self._between(statement)
        return self._cursor.executemany(statement, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def _between(self, statement: str) -> None:
        if self._wrote:
            self._wrote = False
            self._cursor.execute("COMMIT")
            time.sleep(LATE_S)
            self._cursor.execute("BEGIN")
        elif "INSERT INTO ledger_transfer" in statement:
            self._wrote = True


def _halving_engine_for(session: Session) -> Engine:
    connection = session.connection()
    cursor = _CommitsHalf(connection.connection.cursor())
    return PostgresEngine(cursor) if connection.dialect.name == "postgresql" else SqliteEngine(cursor)


def database_of(build: Build) -> type[Database]:
    """Return the unit of work of a build; some builds also change the ledger of this process for good."""
    if build == "commits-half":
        posting.engine_for = _halving_engine_for
    return AnswersBeforeCommit if build == "answers-before-commit" else Database
