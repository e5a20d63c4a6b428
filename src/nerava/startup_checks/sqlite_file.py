"""A SQLite file as the place of the books: one process, a local disk, nothing lost that was committed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from nerava.startup_checks.findings import DATABASE_URL, Finding, Process

if TYPE_CHECKING:
    from nerava.settings import Settings

NETWORK_FILE_SYSTEMS: Final = frozenset(
    {
        "9p", "afp", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.cephfs", "fuse.glusterfs",
        "fuse.s3fs", "fuse.sshfs", "gcsfuse", "glusterfs", "gfs2", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
        "ocfs2", "smb3", "smbfs", "vboxsf",
    }
)  # fmt: skip
"""Where locks and shared memory are not what SQLite needs them to be."""

_MOUNTS: Final = Path("/proc/self/mounts")
_WAIT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class SqliteSeen:
    """What was seen of a SQLite file.

    Attributes:
        journal_mode: What SQLite answers when it is asked for WAL.
        synchronous: Its number for how carefully it writes when it is asked for FULL; FULL is 2.
        file_system: Kind of the file system it lies on; None where the system does not say.
        revision: The schema it has; None for an empty one.
    """

    journal_mode: str
    synchronous: int
    file_system: str | None
    revision: str | None


def is_sqlite(url: str) -> bool:
    """Whether the address names the embedded database."""
    return url.startswith("sqlite")


def file_of(url: str) -> Path | None:
    """Return the file that an address names; None for PostgreSQL and for a database in memory."""
    if not is_sqlite(url):
        return None
    parts = urlsplit(url)
    name = unquote(parts.path.removeprefix("/"))
    if name.startswith("file:"):
        name = unquote(urlsplit(name).path)
    if name in {"", ":memory:"} or "memory" in parse_qs(parts.query).get("mode", []):
        return None
    return Path(name)


def placement(settings: Settings, process: Process) -> list[Finding]:
    """Find a SQLite file where it has no place; nothing is opened."""
    if not is_sqlite(settings.database.url):
        return []
    found: list[Finding] = []
    if settings.is_strict and not settings.single_node:
        found.append(Finding(DATABASE_URL, "SQLite in production needs NERAVA_SINGLE_NODE=true"))
    if process == "work":
        found.append(
            Finding(DATABASE_URL, "one process must own a SQLite file; `nerava serve` works there too")
        )
    if settings.worker.in_web_process is False:
        found.append(Finding("NERAVA_WORKER__IN_WEB_PROCESS", "one process must own a SQLite file"))
    return found


def look(file: Path) -> SqliteSeen:
    """Open an existing file the way the product does and return what is seen.

    Raises:
        sqlite3.Error: It is no database, or cannot be written.
    """
    where = f"file:{quote(str(file.absolute()))}?mode=rw"
    with closing(sqlite3.connect(where, uri=True, timeout=_WAIT_S, isolation_level=None)) as connection:
        journal_mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        connection.execute("PRAGMA synchronous = FULL")
        synchronous = int(connection.execute("PRAGMA synchronous").fetchone()[0])
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
    return SqliteSeen(journal_mode, synchronous, file_system_of(file), str(row[0]) if row else None)


def judge(seen: SqliteSeen) -> list[Finding]:
    """Return what is wrong with a file, its schema aside."""
    found: list[Finding] = []
    if seen.file_system in NETWORK_FILE_SYSTEMS:
        found.append(Finding(DATABASE_URL, "lies on a network disk, whose locks SQLite cannot rely on"))
    if seen.journal_mode != "wal":
        found.append(Finding(DATABASE_URL, "SQLite cannot keep its write-ahead log (WAL) there"))
    if seen.synchronous < 2:  # noqa: PLR2004 - SQLite's number for FULL
        found.append(Finding(DATABASE_URL, "SQLite would not wait for the disk (synchronous below FULL)"))
    return found


def file_system_of(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the kind of file system a path lies on, by the longest mount point above it."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    target = os.path.realpath(path)
    best: tuple[int, str] | None = None
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")  # a blank is \040
        inside = point in {"/", target} or target.startswith(f"{point}/")
        if inside and (best is None or len(point) >= best[0]):
            best = (len(point), kind)
    return best[1] if best else None
