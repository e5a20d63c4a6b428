"""The schema that the migrations make is the one that the models declare, object by object, on both engines."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from alembic.runtime.migration import HeadMaintainer
from sqlalchemy import text

from nerava import migrations
from nerava.migrations.tables import metadata
from nerava.platform.db import Base, EngineOptions
from nerava.platform.db.engine import open_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from nerava.platform.db.embedded_postgres import EmbeddedPostgres

Schema = dict[str, str]
"""Every object of a schema by its kind and name, as one line of text with one spelling."""

VERSION = "alembic_version"


class Torn(Exception):
    """What ends an upgrade at its last step."""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Any]:
    """Return a context manager that gives the address of a database without any table."""

    @contextmanager
    def fresh(name: str) -> Iterator[str]:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path / name}.sqlite3"
            return
        server: EmbeddedPostgres = request.getfixturevalue("postgres")
        server.create_database(name)
        try:
            yield server.url(name)
        finally:
            server.drop_database(name)

    return fresh


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Open one connection whose transaction commits."""
    engine = open_engine(url, EngineOptions(pool_size=1))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def schema_of(url: str) -> Schema:
    """Return everything that a database holds but rows."""
    with connected(url) as connection:
        read = _sqlite if connection.dialect.name == "sqlite" else _postgresql
        found = read(connection)
    return {name: line for name, line in found.items() if VERSION not in name}


def _sqlite(connection: Connection) -> Schema:
    found: Schema = {}
    objects = connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master")).all()
    for kind, name, table, sql in objects:
        if kind == "table":
            found.update(_sqlite_table(connection, name, sql))
        elif sql is not None:
            found[f"{kind} {table}.{name}"] = one_spelling(sql)
    return found


def _sqlite_table(connection: Connection, table: str, sql: str) -> Schema:
    pragma: Callable[[str], list[Any]] = lambda what: list(  # noqa: E731
        connection.exec_driver_sql(f"SELECT * FROM pragma_{what}('{table}')")
    )
    (kind,) = connection.exec_driver_sql(f"SELECT type, wr, strict FROM pragma_table_list('{table}')").all()
    found = {f"table {table}": str(tuple(kind))}
    for position, (_, name, column, not_null, default, primary, hidden) in enumerate(pragma("table_xinfo")):
        found[f"column {table}.{name}"] = str((position, column, not_null, default, primary, hidden))
    keys: dict[int, list[str]] = {}
    for number, sequence, *rest in sorted(pragma("foreign_key_list")):
        keys.setdefault(number, []).append(str((sequence, *rest)))
    for lines in keys.values():
        found[f"foreign key {table}{lines}"] = "yes"
    for part in constraints(sql):
        found[f"constraint {table}: {part}"] = "yes"
    return found


def constraints(sql: str) -> list[str]:
    """Return the table constraints of a CREATE TABLE in any order they were written in."""
    body = sql[sql.index("(") + 1 : sql.rindex(")")]
    parts, depth, quoted, start = [], 0, False, 0
    for at, letter in enumerate(body):
        quoted ^= letter == "'"
        depth += 0 if quoted else (letter == "(") - (letter == ")")
        if letter == "," and depth == 0 and not quoted:
            parts.append(body[start:at])
            start = at + 1
    parts.append(body[start:])
    spelt = (one_spelling(part) for part in parts)
    return sorted(part for part in spelt if re.match("(CONSTRAINT|PRIMARY|UNIQUE|CHECK|FOREIGN) ", part))


def one_spelling(sql: str) -> str:
    """Return SQL with single blanks, none beside brackets and commas, and no quoted names."""
    spaced = re.sub(r"\s+", " ", sql.replace('"', "")).strip().rstrip(";")
    return re.sub(r" ?([(),]) ?", r"\1", spaced)


_POSTGRESQL = {
    "table": """SELECT c.relname, c.relkind::text || ' ' || coalesce(c.reloptions::text, '')
        FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND c.relnamespace = 'public'::regnamespace""",
    "column": """SELECT c.relname || '.' || a.attname, concat_ws(' ',
          row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod),
          a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attcollation::regcollation)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
          AND c.relnamespace = 'public'::regnamespace""",
    "constraint": """SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace""",
    "index": "SELECT tablename || '.' || indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "trigger": """SELECT tgrelid::regclass || '.' || tgname, tgenabled::text || ' ' || pg_get_triggerdef(oid)
        FROM pg_trigger WHERE NOT tgisinternal""",
    "function": """SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid) FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')""",
    "type": """SELECT t.typname, coalesce((SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e
          WHERE e.enumtypid = t.oid), '') FROM pg_type t
        WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd')""",
    "extension": "SELECT extname, extversion FROM pg_extension",
}


def _postgresql(connection: Connection) -> Schema:
    return {
        f"{kind} {name}": one_spelling(line)
        for kind, query in _POSTGRESQL.items()
        for name, line in connection.execute(text(query))
    }


def differences(one: Schema, other: Schema) -> list[str]:
    """Return what the two do not share, a line each."""
    return [
        f"{name}: migrations {one.get(name)!r}, models {other.get(name)!r}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def test_migrations_and_models_make_the_same_schema(empty_url: Callable[[str], Any]) -> None:
    with empty_url("migrated") as migrated, empty_url("declared") as declared:
        migrations.upgrade(migrated)
        with connected(declared) as connection:
            metadata().create_all(connection)

        found = schema_of(migrated)

        assert differences(found, schema_of(declared)) == []
        kinds = {name.partition(" ")[0] for name in found}
        assert kinds >= {"table", "column", "constraint", "index", "trigger"}


def test_the_schema_goes_down_to_nothing_and_up_again(empty_url: Callable[[str], Any]) -> None:
    with empty_url("updown") as url:
        before = schema_of(url)
        migrations.upgrade(url)
        first = schema_of(url)

        migrations.downgrade(url, "base")
        assert differences(schema_of(url), before) == []
        assert migrations.current(url) is None

        migrations.upgrade(url)
        assert differences(schema_of(url), first) == []
        assert migrations.current(url) == migrations.head()


def test_upgrading_twice_changes_nothing(url: str) -> None:
    first = schema_of(url)

    migrations.upgrade(url)

    assert schema_of(url) == first


@pytest.mark.in_turn
def test_every_step_can_be_taken_back_alone(empty_url: Callable[[str], Any]) -> None:
    with empty_url("stepwise") as url:
        migrations.upgrade(url)
        on_the_way_down = []
        for _ in migrations.revisions():
            on_the_way_down.append((migrations.current(url), schema_of(url)))
            migrations.downgrade(url, "-1")
        assert migrations.current(url) is None
        for at, before in reversed(on_the_way_down):
            migrations.upgrade(url, "+1")
            assert migrations.current(url) == at
            assert differences(schema_of(url), before) == [], at


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX ix_ledger_lot_open",
        "DROP TRIGGER ledger_lot_guard{on}",
        "ALTER TABLE ledger_lot ADD COLUMN surplus INTEGER",
        "CREATE INDEX surplus ON ledger_lot (source)",
        "DROP TABLE ledger_seal",
    ],
)
def test_the_comparison_sees_a_change(url: str, change: str) -> None:
    whole = schema_of(url)
    with connected(url) as connection:
        on = "" if connection.dialect.name == "sqlite" else " ON ledger_lot"
        connection.exec_driver_sql(change.format(on=on))

    assert differences(schema_of(url), whole) != []


@pytest.mark.parametrize(
    ("find", "replace"),
    [
        ("amount BETWEEN 1 AND 1000000000000000", "amount BETWEEN 0 AND 1000000000000000"),
        ("amount INTEGER NOT NULL", "amount INTEGER"),
        ("'cash', 'points'", "'cash', 'points', 'gold'"),
        (" STRICT", ""),
    ],
)
def test_the_comparison_sees_a_table_that_was_written_otherwise(
    tmp_path: Path, sqlite_template: Path, find: str, replace: str
) -> None:
    path = tmp_path / "edited.sqlite3"
    shutil.copyfile(sqlite_template, path)
    whole = schema_of(f"sqlite:///{path}")
    with connected(f"sqlite:///{path}") as connection:
        connection.exec_driver_sql("PRAGMA writable_schema = ON")
        edit = text(
            "UPDATE sqlite_master SET sql = replace(sql, :find, :replace) WHERE tbl_name LIKE 'ledger%'"
        )
        connection.execute(edit, {"find": find, "replace": replace})

    assert differences(schema_of(f"sqlite:///{path}"), whole) != []


def test_the_models_of_every_package_are_gathered() -> None:
    tables = metadata().tables

    assert tables is Base.metadata.tables
    assert {"ledger_transfer", "ledger_balance", "charging_session", "campaign"} <= tables.keys()


def test_processes_may_upgrade_at_once(empty_url: Callable[[str], Any]) -> None:
    order = "import sys; from nerava import migrations; migrations.upgrade(sys.argv[1])"
    with empty_url("together") as url:
        crowd = [
            subprocess.Popen([sys.executable, "-c", order, url], stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        for one in crowd:
            _, complaint = one.communicate(timeout=60)
            assert one.returncode == 0, complaint

        assert migrations.current(url) == migrations.head()


def test_an_upgrade_that_fails_at_its_last_step_leaves_nothing(
    empty_url: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # All steps are one transaction: who migrates at the same time sees none of them or all.
    with empty_url("torn") as url:
        original = HeadMaintainer.update_to_step

        def torn(self: HeadMaintainer, step: Any) -> None:
            if step.to_revisions_no_deps == (migrations.head(),):
                raise Torn
            original(self, step)

        monkeypatch.setattr(HeadMaintainer, "update_to_step", torn)
        with pytest.raises(Torn):
            migrations.upgrade(url)
        assert migrations.current(url) is None


@pytest.mark.parametrize("empty_url", ["postgresql"], indirect=True)
def test_an_upgrade_waits_for_another_that_takes_its_time(empty_url: Callable[[str], Any]) -> None:
    with empty_url("waiting") as url:
        with connected(url) as first, ThreadPoolExecutor(1) as pool:
            first.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": 7_264_531_001})
            second = pool.submit(migrations.upgrade, url)
            with pytest.raises(TimeoutError):
                second.result(2.5)
            first.commit()
            second.result(60)

        assert migrations.current(url) == migrations.head()
