"""Copies of a running database that are whole, can be checked, and come back on the same engine.

A backup is one file and a manifest beside it (`<file>.json`) with its checksum, the schema, and what
the caller noted on the very state that was copied, such as the head of the ledger's hash chain.
Nobody who works with the database waits for a backup. One of SQLite holds all that was committed
before it ended, one of PostgreSQL all that was committed before it began; what PostgreSQL needs to
lose nothing until later is its log (docs/backup.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from psycopg.conninfo import make_conninfo
from sqlalchemy import inspect, make_url, text
from sqlalchemy.orm import Session

from nerava.kernel.errors import NeravaError
from nerava.platform.db.engine import EngineOptions, is_sqlite, open_engine
from nerava.platform.db.errors import DRIVER_ERRORS
from nerava.platform.db.sqlite_copy import copy_running, opened_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import URL, Engine

    from nerava.kernel.clock import Clock

Note: TypeAlias = "Callable[[Session], Mapping[str, object]]"
"""Reads what is to be remembered about the state that was copied; values fit for JSON."""

_PATIENT: Final = EngineOptions(
    pool_size=1, pool_wait_ms=5_000, statement_timeout_ms=0, idle_in_transaction_ms=0
)
_JOBS: Final = 2
_FAST_LOAD: Final = "-c maintenance_work_mem=256MB -c synchronous_commit=off"


class BackupFailed(NeravaError):
    """The copy could not be made or brought back."""

    code = "backup-failed"
    title = "The backup did not succeed"


class BackupDamaged(NeravaError):
    """The file is not the one that its manifest describes, or there is no manifest."""

    code = "backup-damaged"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The backup is not what was written"


class BackupUnfit(NeravaError):
    """The backup belongs to another engine, or the place it is to go to is not empty."""

    code = "backup-unfit"
    status = HTTPStatus.CONFLICT
    title = "The backup cannot be restored here"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a manifest says.

    Attributes:
        engine: `sqlite` or `postgresql`; a backup comes back on the same.
        taken_at: When it was begun, aware UTC.
        holds_until: Whatever was acknowledged before this instant is in it, aware UTC.
        schema: Revision of the schema, None when the database had none.
        size: Bytes of the file.
        sha256: Hexadecimal checksum of the file.
        note: What the caller noted on the state that was copied.
    """

    engine: str
    taken_at: datetime
    holds_until: datetime
    schema: str | None
    size: int
    sha256: str
    note: Mapping[str, object]


def back_up(
    url: str | URL,
    target: Path,
    *,
    clock: Clock,
    note: Note | None = None,
    programs: Path | None = None,
) -> Backup:
    """Copy the database to the file `target`, while others go on writing, and return the manifest.

    The copy is one consistent state, synced to disk, checked, and readable by its owner only. An
    older backup of that name is replaced when the new one is complete, never before.

    Args:
        url: The database.
        target: The file to write.
        clock: Says when it was begun and what it holds.
        note: Reads what is to be remembered about what was copied; values fit for JSON.
        programs: Folder of pg_dump; None looks in the search path. Not used for SQLite.

    Raises:
        BackupFailed: The copy failed or turned out damaged; `target` is as it was (500).
    """
    part, taken_at = target.with_name(f"{target.name}.part"), clock.now()
    engine = open_engine(url, _PATIENT, read_only=True)
    try:
        _make_private(part)
        try:
            with Session(engine) as session:
                if is_sqlite(url):
                    holds_until = copy_running(session, Path(str(make_url(url).database)), part, clock)
                    with opened_copy(part) as copied:
                        schema, noted = _look(copied, note)
                else:
                    holds_until = clock.now()
                    schema, noted = _dump(session, url, part, note, programs)
            size, checksum = part.stat().st_size, _checksum(part)
            backup = Backup(engine.dialect.name, taken_at, holds_until, schema, size, checksum, noted)
            _publish(part, target, backup)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, *DRIVER_ERRORS) as error:
        raise BackupFailed(f"{target}: {_reason(error)}") from error
    finally:
        engine.dispose()
    return backup


def read_manifest(source: Path) -> Backup:
    """Return the manifest of a backup, after checking that the file is the one it describes.

    Raises:
        BackupDamaged: It is not, or one of the two is missing (422).
    """
    try:
        body = json.loads(_manifest_of(source).read_bytes())
        for instant in ("taken_at", "holds_until"):
            body[instant] = datetime.fromisoformat(body[instant])
        backup = Backup(**body)
        whole = source.stat().st_size == backup.size and _checksum(source) == backup.sha256
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BackupDamaged(f"{source}: no readable backup with a manifest beside it") from error
    if not whole:
        raise BackupDamaged(f"{source}: the file is not the one that was written")
    return backup


def restore(source: Path, url: str | URL, *, programs: Path | None = None) -> Backup:
    """Bring a backup back into an empty database and return its manifest.

    On SQLite the file must not exist; on PostgreSQL the database must, without tables. Roles and
    their rights are not part of a backup; grant them again. Run the audit before you open. Whoever
    was erased since is erased again when the product starts, from its list of erasures.

    Raises:
        BackupDamaged: The file is not the one that was written; nothing was done (422).
        BackupUnfit: Another engine, or the place is not empty; nothing was done (409).
        BackupFailed: The database refused; on PostgreSQL drop it before you try again (500).
    """
    backup = read_manifest(source)
    engine = "sqlite" if is_sqlite(url) else "postgresql"
    if backup.engine != engine:
        raise BackupUnfit(f"a backup of {backup.engine} does not fit {engine}")
    if engine == "sqlite":
        _restore_sqlite(source, Path(str(make_url(url).database)))
    else:
        _restore_postgresql(source, url, programs)
    return backup


def _dump(
    session: Session, url: str | URL, part: Path, note: Note | None, programs: Path | None
) -> tuple[str | None, Mapping[str, object]]:
    """Fill the file from one snapshot; return the schema and what was noted on that snapshot."""
    snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    session.connection(execution_options=snapshot)
    name = session.execute(text("SELECT pg_export_snapshot()")).scalar_one()
    seen = _look(session, note)
    options = (f"--snapshot={name}", "--format=custom", "--compress=1", f"--file={part}")
    _run("pg_dump", programs, url, *options)
    return seen


def _look(session: Session, note: Note | None) -> tuple[str | None, Mapping[str, object]]:
    schema = None
    if "alembic_version" in inspect(session.connection()).get_table_names():
        schema = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return schema, dict(note(session)) if note else {}


def _restore_sqlite(source: Path, target: Path) -> None:
    if any(target.with_name(target.name + ending).exists() for ending in ("", "-wal", "-journal")):
        raise BackupUnfit(f"{target} exists; restore beside it and move it into place")
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _make_private(part)
        try:
            shutil.copyfile(source, part)
            _sync(part)
            part.replace(target)
            _sync(target.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BackupFailed(f"{target}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return what went wrong, without what a library says around it."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(getattr(error, "orig", error)).strip()


def _restore_postgresql(source: Path, url: str | URL, programs: Path | None) -> None:
    engine = open_engine(url, _PATIENT)
    try:
        with engine.connect() as connection:
            if inspect(connection).get_table_names():
                raise BackupUnfit("the database has tables; restore into a new one")
        _run(
            "pg_restore",
            programs,
            url,
            "--exit-on-error",
            "--no-owner",
            "--no-acl",
            f"--jobs={_JOBS}",
            str(source),
        )
        # Also the first commit that waits for the disk, and so for all that was loaded before it.
        _analyze(engine)
    finally:
        engine.dispose()


def _analyze(engine: Engine) -> None:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ANALYZE"))


def _run(program: str, programs: Path | None, url: str | URL, *arguments: str) -> None:
    found = programs / program if programs else shutil.which(program)
    if found is None:
        raise BackupFailed(f"{program} is not installed; it comes with PostgreSQL's client programs")
    address = make_url(url)
    _, named = address.get_dialect()().create_connect_args(address)
    password = named.pop("password", None)
    surroundings = {**os.environ, "PGOPTIONS": _FAST_LOAD} | ({"PGPASSWORD": password} if password else {})
    command = [str(found), f"--dbname={make_conninfo(**named)}", "--no-password", *arguments]
    try:
        subprocess.run(command, check=True, env=surroundings, stdin=subprocess.DEVNULL, capture_output=True)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise BackupFailed(f"{program} ended with code {error.returncode}: {' / '.join(said)}") from error


def _publish(part: Path, target: Path, backup: Backup) -> None:
    """Put file and manifest in place, synced; a crash in between leaves a backup that is found damaged."""
    body = json.dumps(asdict(backup), indent=2, default=datetime.isoformat)
    _sync(part)
    part.replace(target)
    manifest = _manifest_of(target)
    fresh = manifest.with_name(f"{manifest.name}.part")
    _make_private(fresh)
    fresh.write_text(body + "\n")
    _sync(fresh)
    fresh.replace(manifest)
    _sync(target.parent)


def _manifest_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _make_private(path: Path) -> None:
    """Make an empty file that only its owner can open, before anything is in it."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
