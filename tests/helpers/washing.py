"""PostgreSQL databases that test after test has for itself: a used one is washed, not made anew."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from nerava.platform.db.embedded_postgres import EmbeddedPostgres

SECONDS_TO_LEAVE = 10.0
"""How long those who were sent away may take to be gone."""

SHAPE = """
    SELECT concat_ws(' ',
        (SELECT concat(count(*), sum(hashtextextended(concat_ws('|', relname, relkind, relowner, relacl, reloptions,
            relnatts, relchecks, relpersistence, relrowsecurity, relforcerowsecurity,
            CASE WHEN oid >= 16384 THEN relfilenode END), 0))) FROM pg_class),
        (SELECT concat(count(*), '-', max(xmin::text::bigint)) FROM pg_attribute),
        (SELECT concat(count(*), '-', max(xmin::text::bigint)) FROM pg_constraint),
        (SELECT concat(count(*), '-', max(xmin::text::bigint)) FROM pg_trigger),
        (SELECT concat(count(*), '-', max(xmin::text::bigint)) FROM pg_proc),
        (SELECT concat(count(*), '-', max(xmin::text::bigint)) FROM pg_namespace),
        (SELECT concat(count(*), '-', max(xmin::text::bigint)) FROM pg_statistic),
        (SELECT count(*) FROM pg_db_role_setting AS s, pg_database AS d
            WHERE d.datname = current_database() AND d.oid = s.setdatabase))
"""
"""What definitions, rights, settings and statistics come to; rows of tables and their number do not count."""

TABLES = """
    SELECT relname, pg_relation_filepath(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
SEQUENCES = "SELECT sequencename, coalesce(last_value, start_value), last_value IS NOT NULL FROM pg_sequences"
FORGET_SIZES = "SELECT pg_clear_relation_stats('public', name) FROM unnest(%s::text[]) AS name"


@dataclass(frozen=True)
class Copy:
    """A copy of the template, and what it was before anybody used it."""

    name: str
    shape: str
    files: dict[str, Path]
    """Where the rows of each table lie."""

    rows: dict[str, list[str]]
    """What the template's tables hold, of those that hold anything."""

    sequences: list[tuple[str, int, bool]]
    """Their names, where they stand, and whether this was given to anybody."""


class Laundry:
    """Hands out copies of a template and washes them: a third of what another copy costs.

    Whoever still talks to a database when it comes back is sent away, and its name is never used
    again, so nobody reaches it by an old address. What is deleted is vacuumed, so rows lie as they
    would in a new copy. One whose definitions, rights or settings were changed is not washed, but dropped.
    """

    def __init__(self, server: EmbeddedPostgres, template: str) -> None:
        self._server = server
        self._template = template
        self._clean: list[Copy] = []
        self._orders = psycopg.connect(server.conninfo(), autocommit=True)

    def close(self) -> None:
        """Hang up. Repeats safely."""
        self._orders.close()

    @contextmanager
    def clean(self) -> Iterator[str]:
        """Hand out the name of a database that is like the template."""
        copy = self._clean.pop() if self._clean else self._copied()
        try:
            yield copy.name
        finally:
            self._take_back(copy)

    def _copied(self) -> Copy:
        name = _new_name()
        self._server.create_database(name, template=self._template)
        with psycopg.connect(self._server.conninfo(name), autocommit=True) as inside:
            folder = self._server.data_directory
            files = {table: folder / path for table, path in inside.execute(TABLES)}
            rows = {table: _rows(inside, table) for table, path in files.items() if path.stat().st_size}
            return Copy(name, _shape(inside), files, rows, inside.execute(SEQUENCES).fetchall())

    def _take_back(self, copy: Copy) -> None:
        self._send_everybody_away(copy.name)
        name = _new_name()
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        self._orders.execute(rename.format(sql.Identifier(copy.name), sql.Identifier(name)))
        with psycopg.connect(self._server.conninfo(name), autocommit=True) as inside:
            as_it_was = _shape(inside) == copy.shape
            if as_it_was:
                _wash(inside, copy)
        if as_it_was:
            self._clean.append(Copy(name, copy.shape, copy.files, copy.rows, copy.sequences))
        else:
            self._server.drop_database(name)

    def _send_everybody_away(self, name: str) -> None:
        until = time.monotonic() + SECONDS_TO_LEAVE
        gone = "SELECT count(pg_terminate_backend(pid)) = 0 FROM pg_stat_activity WHERE datname = %s"
        while self._orders.execute(gone, [name]).fetchone() != (True,):
            if time.monotonic() > until:
                raise AssertionError(f"somebody still talks to {name}")
            time.sleep(0.001)


def _new_name() -> str:
    return f"t_{uuid4().hex[:16]}"


def _shape(inside: psycopg.Connection) -> str:
    return str(inside.execute(SHAPE).fetchone())


def _rows(inside: psycopg.Connection, table: str) -> list[str]:
    every = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(table))
    return [row for (row,) in inside.execute(every)]


def _wash(inside: psycopg.Connection, copy: Copy) -> None:
    used = [table for table, path in copy.files.items() if path.stat().st_size]
    tables = [table for table in used if table not in copy.rows or _rows(inside, table) != copy.rows[table]]
    for sequence in copy.sequences:
        inside.execute("SELECT setval(%s::regclass, %s, %s)", sequence)
    if not tables:
        return
    names = [sql.Identifier(table) for table in tables]
    # Replicas delete without triggers, which refuse that books lose anything, and without foreign keys.
    deletes = [sql.SQL("DELETE FROM {}").format(name) for name in names]
    inside.execute(sql.SQL("; ").join([sql.SQL("SET session_replication_role = replica"), *deletes]))
    inside.execute(sql.SQL("VACUUM {}").format(sql.SQL(", ").join(names)))
    inside.execute(FORGET_SIZES, [tables])
    for table in copy.rows.keys() & tables:
        insert = sql.SQL("INSERT INTO {0} SELECT (%s::{0}).*").format(sql.Identifier(table))
        for row in copy.rows[table]:
            inside.execute(insert, [row])
