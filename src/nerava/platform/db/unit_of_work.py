"""The only place that commits: begin, run, commit, and only then answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import exc, text
from sqlalchemy.orm import Session

from nerava.platform import tracing
from nerava.platform.db.engine import SQLITE_BEGIN, EngineOptions, is_sqlite, open_engine
from nerava.platform.db.errors import (
    DRIVER_ERRORS,
    DatabaseError,
    DatabaseUnavailable,
    LostRace,
    OutcomeUnknown,
    StorageFailing,
    StorageFull,
    has_turned_read_only,
    is_disconnect,
    is_lost_race,
    is_overtaxed,
    is_storage_failing,
    is_storage_full,
)
from nerava.platform.db.fair_lock import FairLock
from nerava.platform.db.unit_session import UnitSession
from nerava.platform.metrics.tally import begin_tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

    from nerava.platform.metrics.tally import Tally

Result = TypeVar("Result")
Work = Callable[[Session], Result]

ATTEMPTS_MAX: Final = 5
PATIENCE_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.020
_OVERTAXED: Final = "it had too much to do for this in time"


class Database:
    """One database and the rules for working with it.

    `run` is for work that writes, `read` for work that only looks. Neither may do HTTP, mail,
    queues or sleep inside. Safe to share between threads. On SQLite one writer works at a time,
    in the order of arrival, and one process owns the file.
    """

    def __init__(self, url: str | URL, options: EngineOptions | None = None) -> None:
        self.url = url
        self.is_sqlite = is_sqlite(url)
        options = options or EngineOptions()
        self._engine = open_engine(url, options)
        self._readers = open_engine(url, options, read_only=True) if self.is_sqlite else self._engine
        self._turn = FairLock() if self.is_sqlite else None
        self._begin = SQLITE_BEGIN if self.is_sqlite else None
        self._gate: Callable[[], None] | None = None
        self._failed_in_a_row = 0
        self._counted: Callable[[Tally], None] | None = None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @property
    def storage_failures(self) -> int:
        """How often in a row the disk failed under work that writes; 0 after the next commit."""
        return self._failed_in_a_row

    def ask_before_writing(self, gate: Callable[[], None]) -> None:
        """Have `gate` called before every `run` that is not essential; what it raises, `run` raises."""
        self._gate = gate

    def count_commits(self, take: Callable[[Tally], None]) -> None:
        """Have `take` told what was counted (`platform.metrics.tally`) after every commit that counted."""
        self._counted = take

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are at work, and how many there may be."""
        pools = {id(one): one.pool for one in (self._engine, self._readers)}
        in_use = sum(getattr(pool, "checkedout", int)() for pool in pools.values())
        return in_use, sum(getattr(pool, "size", int)() for pool in pools.values())

    def run(self, work: Work[Result], *, repeatable: bool = False, essential: bool = False) -> Result:
        """Run `work` in one transaction and return its result after the commit.

        The whole of `work`, its reads included, runs again after a lost race or a connection
        lost before COMMIT: at most 5 times within 5 s, with full jitter. So it must do nothing
        outside the transaction. With `repeatable` the caller promises that running it twice has
        one effect (everything it writes is keyed); then it also runs again when the answer to
        COMMIT itself was lost. Work that is `essential` goes on while the installation is read-only:
        the audit log, the sessions of people, what others send us and would not send again.

        Raises:
            OutcomeUnknown: The answer to COMMIT was lost and the work is not repeatable (503).
            DatabaseUnavailable: No connection in time, none that takes writes, or a statement took
                too long; nothing was executed (503).
            LostRace: Others were faster five times; nothing was executed (503).
            StorageFull: The disk is full; nothing was executed (507).
            StorageFailing: The disk failed before COMMIT; nothing was executed (503).
        """
        self._pass_gate(essential=essential)
        started = time.monotonic()
        attempt = 0
        may_have_committed = False
        while True:
            attempt += 1
            try:
                return self._once(work)
            except _CommitLost as lost:
                if not repeatable:
                    raise OutcomeUnknown from lost
                may_have_committed = True
                failure: Exception = lost
            except (DatabaseError, exc.TimeoutError, *DRIVER_ERRORS) as error:
                if not _may_pass(error):
                    told = OutcomeUnknown() if may_have_committed else self._told_of(error)
                    if told is None:
                        raise
                    raise told from error
                failure = error
            if attempt >= ATTEMPTS_MAX or time.monotonic() - started > PATIENCE_S:
                # After one lost answer no later failure can prove that nothing was executed.
                raise (OutcomeUnknown() if may_have_committed else _given_up(failure)) from failure
            time.sleep(random.uniform(0, FIRST_PAUSE_S * 2**attempt))  # noqa: S311 - jitter, not a secret

    def read(self, work: Work[Result], *, patient: bool = False) -> Result:
        """Run `work` on one consistent snapshot that cannot write, and return its result.

        With `patient` a statement may take as long as it needs; for audits and exports.

        Raises:
            DatabaseUnavailable: No connection in time, or a statement took too long (503).
            StorageFailing: The disk failed (503).
        """
        try:
            return self._look(work, patient=patient)
        except exc.DBAPIError as error:
            if is_storage_failing(error):
                raise StorageFailing from error
            if is_overtaxed(error):
                raise DatabaseUnavailable(_OVERTAXED) from error
            if not is_disconnect(error):
                raise
        except exc.TimeoutError as error:
            message = "every connection is busy"
            raise DatabaseUnavailable(message) from error
        try:  # A pooled connection may have died unnoticed; a fresh one tells whether the server did.
            return self._look(work, patient=patient)
        except (exc.DBAPIError, exc.TimeoutError) as error:
            if isinstance(error, exc.DBAPIError) and not is_disconnect(error):
                raise
            raise DatabaseUnavailable from error

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
        self._readers.dispose()

    def _pass_gate(self, *, essential: bool) -> None:
        if self._gate is not None and not essential:
            self._gate()

    def _told_of(self, error: Exception) -> DatabaseError | None:
        """Return what callers are told of a failure that is final; None where it is a mistake of the work."""
        if isinstance(error, exc.TimeoutError):
            return DatabaseUnavailable("every connection is busy")
        if is_overtaxed(error):
            return DatabaseUnavailable(_OVERTAXED)
        if is_storage_full(error):
            return StorageFull()
        if is_storage_failing(error):
            self._failed_in_a_row += 1
            return StorageFailing()
        return None

    def _once(self, work: Work[Result]) -> Result:
        with self._my_turn(), UnitSession(self._engine, begin=self._begin) as session:
            tally = None if self._counted is None else begin_tally(session)
            try:
                result = work(session)
                session.flush()
            except BaseException as error:
                if has_turned_read_only(error):
                    session.invalidate()  # The next one is made to whoever takes writes by then.
                else:
                    session.rollback()
                raise
            try:
                with tracing.statement("COMMIT", self.dialect):
                    session.commit()
            except DRIVER_ERRORS as error:
                if is_storage_failing(error):
                    # The log may hold the commit though it was not confirmed: the next process would find it.
                    self._failed_in_a_row += 1
                    raise _CommitLost from error
                if is_disconnect(error):
                    raise _CommitLost from error
                raise
            self._failed_in_a_row = 0
        if self._counted is not None and tally:
            self._counted(tally)
        return result

    def _look(self, work: Work[Result], *, patient: bool) -> Result:
        with Session(self._readers) as session:
            if not self.is_sqlite:
                snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                session.connection(execution_options=snapshot)
                if patient:
                    session.execute(text("SET LOCAL statement_timeout = 0"))
                    session.execute(text("SET LOCAL enable_seqscan = on"))
            return work(session)

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        with self._turn.hold(PATIENCE_S) as obtained:
            if not obtained:
                message = "others were writing for 5 s"
                raise DatabaseUnavailable(message)
            yield


class _CommitLost(Exception):
    """The connection broke, or the disk failed, between COMMIT and its answer."""


def _may_pass(failure: Exception) -> bool:
    return is_lost_race(failure) or is_disconnect(failure) or has_turned_read_only(failure)


def _given_up(failure: Exception) -> DatabaseError:
    if has_turned_read_only(failure):
        return DatabaseUnavailable("it takes no writes at the moment")
    return DatabaseUnavailable() if is_disconnect(failure) else LostRace()
