"""Copies a SQLite file that others write to, with all that was committed before the copy ended."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from nerava.kernel.clock import Clock

_COPY: Final = "import shutil, sys; shutil.copyfile(*sys.argv[1:])"


def copy_running(session: Session, source: Path, part: Path, clock: Clock) -> datetime:
    """Copy the database file `source`, on which `session` begins to read, to `part`.

    Returns the instant, aware UTC, before which whatever was acknowledged is in the copy.

    SQLite's own way of copying fixes a state when it begins, and what is acknowledged while it runs
    is missing from the copy. Here the file is copied first and its log after it. As long as the session
    reads, SQLite writes nothing into the file that the log does not hold, and throws nothing out of the
    log that is not in the file already; so both together are the database at the moment at which
    the log was read, however torn the file alone may be. Nobody waits.

    Raises:
        OSError: The file cannot be read, or the copy not be written.
        sqlite3.DatabaseError: The copy is damaged.
    """
    session.execute(text("SELECT count(*) FROM sqlite_master"))  # The first read is what holds the log.
    log = part.with_name(f"{part.name}-wal")
    log.unlink(missing_ok=True)
    log.touch(mode=0o600)
    try:
        _copy(source, part)
        until = clock.now()
        _copy(source.with_name(f"{source.name}-wal"), log)
        _settle(part)
    finally:
        for ending in ("-wal", "-shm"):
            part.with_name(part.name + ending).unlink(missing_ok=True)
    return until


@contextmanager
def opened_copy(part: Path) -> Iterator[Session]:
    """Yield a session that reads a settled copy, and leaves no file beside it."""
    engine = create_engine(f"sqlite:///{part}", poolclass=NullPool)
    with Session(engine) as session:
        yield session


def _copy(source: Path, target: Path) -> None:
    """Copy a file that is there, in a process of its own.

    Whoever closes a file gives up every lock that his process has on it, and the locks of SQLite's
    connections in this process are among them.
    """
    if not source.exists():
        return
    command = [sys.executable, "-I", "-S", "-c", _COPY, str(source), str(target)]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise OSError("; ".join(said) or f"copying ended with code {done.returncode}")


def _settle(part: Path) -> None:
    """Bring the log into the file and check the whole."""
    with closing(sqlite3.connect(part)) as copy:
        (mode,) = copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        (said,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if mode != "delete" or said != "ok":
        message = f"the copy is damaged: {said}"
        raise sqlite3.DatabaseError(message)
