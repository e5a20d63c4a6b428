"""Tables of what the watch over the books has found, and of when it looked."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Index, Table, Text
from sqlalchemy.dialects.sqlite import INTEGER, TEXT

from nerava.platform.db import Base, UtcDateTime, UUIDType
from nerava.platform.db.roles import TableRights

# STRICT tables of SQLite know INTEGER, TEXT and BLOB only.
_UUID: Final = UUIDType(strict=True)
_TEXT: Final = Text().with_variant(TEXT(), "sqlite")
_BIG: Final = BigInteger().with_variant(INTEGER(), "sqlite")
_STRICT: Final[dict[str, Any]] = {"sqlite_strict": True}

alarm: Final = Table(
    "alarm",
    Base.metadata,
    Column("id", _UUID, primary_key=True),
    Column("name", _TEXT, nullable=False),
    Column("about", _TEXT, nullable=False),
    Column("detail", _TEXT, nullable=False),
    Column("first_seen_at", UtcDateTime(), nullable=False),
    Column("last_seen_at", UtcDateTime(), nullable=False),
    Column("over_at", UtcDateTime()),
    **_STRICT,
)
"""`name` is the check's; over_at is when a look did not find it any more."""

Index(
    "uq_alarm_open",
    alarm.c.name,
    alarm.c.about,
    unique=True,
    postgresql_where=alarm.c.over_at.is_(None),
    sqlite_where=alarm.c.over_at.is_(None),
)

watch: Final = Table(
    "alarm_look",
    Base.metadata,
    Column("scope", _TEXT, primary_key=True),
    Column("looked_at", UtcDateTime(), nullable=False),
    Column("took_ms", _BIG, nullable=False),
    **_STRICT,
)
"""One row for each kind of look, that of the last time."""

RIGHTS: Final = (
    TableRights(alarm.name, updates=("detail", "last_seen_at", "over_at")),
    TableRights(watch.name, updates=("looked_at", "took_ms")),
)
"""For `grant_application_role`: an alarm is never forgotten."""
