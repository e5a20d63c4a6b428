"""The one database: reachable, durable, with the schema of this version and a clock that agrees."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from nerava import migrations
from nerava.startup_checks import postgresql_server, sqlite_file
from nerava.startup_checks.deadline import within
from nerava.startup_checks.findings import DATABASE_URL, Finding

if TYPE_CHECKING:
    from nerava.settings import Settings

CLOCK_OFFSET_MAX: Final = timedelta(seconds=5)
_TOLD: Final = (
    "connection refused",
    "password authentication failed",
    "does not exist",
    "timeout",
    "certificate",
    "ssl",
    "resolve",
)
_LATE: Final = Finding(DATABASE_URL, "the database does not answer in time")


def database(settings: Settings, now: datetime) -> list[Finding]:
    """Find what is wrong with the database; it is only looked at, and nothing is created."""
    if sqlite_file.is_sqlite(settings.database.url):
        return within(lambda: _sqlite(settings), _LATE)
    unsafe = postgresql_server.transport(settings)
    return unsafe or within(lambda: _postgresql(settings, now), _LATE)


def explicit(settings: Settings) -> list[Finding]:
    """Find a production whose database nobody named."""
    if settings.is_strict and "url" not in settings.database.model_fields_set:
        return [Finding(DATABASE_URL, "must be set in production")]
    return []


def schema(found: str | None) -> list[Finding]:
    """Return a finding when a database's schema is not the one of this version."""
    known = migrations.revisions()
    if found == known[-1]:
        return []
    if found is None:
        return [Finding(DATABASE_URL, f"the database is empty; `nerava migrate` brings schema {known[-1]}")]
    if found in known:
        said = f"has schema {found}, this version needs {known[-1]}; run `nerava migrate`"
    else:
        said = f"has schema {found}, which is ahead of this version ({known[-1]}); start a newer one"
    return [Finding(DATABASE_URL, said)]


def clock(theirs: datetime, ours: datetime) -> list[Finding]:
    """Return a finding when two clocks are more than 5 s apart."""
    if abs(theirs - ours) > CLOCK_OFFSET_MAX:
        seconds = int(CLOCK_OFFSET_MAX.total_seconds())
        return [Finding(DATABASE_URL, f"its clock and ours are more than {seconds} s apart; set them by NTP")]
    return []


def _sqlite(settings: Settings) -> list[Finding]:
    file = sqlite_file.file_of(settings.database.url)
    if file is None:
        return [Finding(DATABASE_URL, "books in memory are gone at the end; name a file")]
    try:
        if not file.exists():
            return [Finding(DATABASE_URL, "there is no database yet; `nerava migrate` makes it")]
        seen = sqlite_file.look(file)
    except sqlite3.Error as error:
        return [Finding(DATABASE_URL, f"cannot be used: {error}")]
    except OSError as error:
        return [Finding(DATABASE_URL, f"cannot be used: {error.strerror}")]
    return [*(sqlite_file.judge(seen) if settings.is_strict else []), *schema(seen.revision)]


def _postgresql(settings: Settings, now: datetime) -> list[Finding]:
    import psycopg  # noqa: PLC0415 - loaded where the books are in PostgreSQL only

    try:
        seen = postgresql_server.look(settings.database)
    except psycopg.errors.InsufficientPrivilege:
        return [Finding(DATABASE_URL, "its role may not read the schema; see `nerava migrate --role`")]
    except psycopg.Error as error:
        return [Finding(DATABASE_URL, f"cannot be reached ({_why(error)})")]
    strict = postgresql_server.judge(seen, settings.database) if settings.is_strict else []
    return [*strict, *schema(seen.revision), *clock(seen.at.astimezone(UTC), now)]


def _why(error: Exception) -> str:
    """Say why in words that carry no part of the address."""
    text = str(error).lower()
    return next((one for one in _TOLD if one in text), type(error).__name__)
