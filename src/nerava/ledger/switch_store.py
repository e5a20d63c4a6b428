"""The kill switches as they are stored: what is stopped, and who agreed to end a stop.

The four eyes are held by the database: a switch is off only under a release of its own name, and
a release is approved only by somebody who did not ask for it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Table,
    UniqueConstraint,
    text,
)

from nerava.platform.db import Base, UtcDateTime
from nerava.platform.db.roles import TableRights
from nerava.platform.db.strict import FLAG, ID, STRICT, TEXT
from nerava.platform.db.triggers import attach

release: Final = Table(
    "switch_release",
    Base.metadata,
    Column("id", ID, primary_key=True),
    Column("name", TEXT, nullable=False),
    Column("maker", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("asked_at", UtcDateTime(), nullable=False),
    Column("checker", TEXT),
    Column("approved_at", UtcDateTime()),
    Column("voided_at", UtcDateTime()),
    UniqueConstraint("id", "name", "checker"),
    CheckConstraint("checker <> maker", name="two_people"),
    CheckConstraint("(checker IS NULL) = (approved_at IS NULL)", name="approval_whole"),
    CheckConstraint("checker IS NULL OR voided_at IS NULL", name="one_end"),
    **STRICT,
)
Index(
    "uq_switch_release_open",
    release.c.name,
    unique=True,
    postgresql_where=release.c.checker.is_(None) & release.c.voided_at.is_(None),
    sqlite_where=release.c.checker.is_(None) & release.c.voided_at.is_(None),
)

switch: Final = Table(
    "kill_switch",
    Base.metadata,
    Column("name", TEXT, primary_key=True),
    Column("is_on", FLAG, nullable=False),
    Column("set_by", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("set_at", UtcDateTime(), nullable=False),
    Column("release_id", ID),
    Column("released_by", TEXT),
    ForeignKeyConstraint(
        ["release_id", "name", "released_by"],
        ["switch_release.id", "switch_release.name", "switch_release.checker"],
    ),
    CheckConstraint(
        "(is_on AND release_id IS NULL AND released_by IS NULL)"
        " OR (NOT is_on AND release_id IS NOT NULL AND released_by IS NOT NULL)",
        name="off_by_two",
    ),
    **STRICT,
)
Index("ix_kill_switch_on", switch.c.name, postgresql_where=text("is_on"), sqlite_where=text("is_on"))

_TABLES: Final = (switch.name, release.name)

RIGHTS: Final = (
    TableRights(switch.name, updates=("is_on", "set_by", "reason", "set_at", "release_id", "released_by")),
    TableRights(release.name, updates=("checker", "approved_at", "voided_at")),
)
"""For `grant_application_role`: a switch is never forgotten."""

_REFUSE: Final = "EXECUTE FUNCTION switch_refuse()"

STATEMENTS: Final = {
    "postgresql": [
        """CREATE FUNCTION switch_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% keeps its rows: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '23001'; END $$""",
        *(
            f"CREATE TRIGGER {table}_keep BEFORE DELETE ON {table} FOR EACH ROW {_REFUSE}"
            for table in _TABLES
        ),
        *(f"CREATE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table} {_REFUSE}" for table in _TABLES),
    ],
    "sqlite": [
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} keeps its rows: DELETE refused'); END"
        for table in _TABLES
    ],
}
"""By dialect, in the order in which they are to be executed after the tables exist."""

attach(STATEMENTS)
