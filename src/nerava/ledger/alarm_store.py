"""Tables of what the watch over the books has found, and of when it looked."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Table

from nerava.platform.db import Base, UtcDateTime
from nerava.platform.db.roles import TableRights
from nerava.platform.db.strict import BIG, ID, STRICT, TEXT

alarm: Final = Table(
    "alarm",
    Base.metadata,
    Column("id", ID, primary_key=True),
    Column("name", TEXT, nullable=False),
    Column("about", TEXT, nullable=False),
    Column("detail", TEXT, nullable=False),
    Column("first_seen_at", UtcDateTime(), nullable=False),
    Column("last_seen_at", UtcDateTime(), nullable=False),
    Column("over_at", UtcDateTime()),
    **STRICT,
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
    Column("scope", TEXT, primary_key=True),
    Column("looked_at", UtcDateTime(), nullable=False),
    Column("took_ms", BIG, nullable=False),
    **STRICT,
)
"""One row for each kind of look, that of the last time."""

RIGHTS: Final = (
    TableRights(alarm.name, updates=("detail", "last_seen_at", "over_at")),
    TableRights(watch.name, updates=("looked_at", "took_ms")),
)
"""For `grant_application_role`: an alarm is never forgotten."""
