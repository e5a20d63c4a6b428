"""A database that tests used is like a new one when the next test gets it, or is not handed out again."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from tests.helpers.washing import Laundry

BOOKS = """
    CREATE TABLE book (id int PRIMARY KEY, title text NOT NULL);
    CREATE TABLE page (book int REFERENCES book, text text, at bigserial);
    CREATE TABLE kept (id int PRIMARY KEY, number int);
    INSERT INTO kept VALUES (1, 7);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''never''; END';
    CREATE TRIGGER never BEFORE DELETE ON book FOR EACH ROW EXECUTE FUNCTION refuse();
"""
STATE = """
    SELECT (SELECT count(*) FROM book), (SELECT count(*) FROM page), (SELECT array_agg(k::text) FROM kept AS k),
        (SELECT last_value FROM page_at_seq), pg_relation_size('book') + pg_relation_size('page'),
        (SELECT array_agg(reltuples ORDER BY relname) FROM pg_class WHERE relname IN ('book', 'page'))
"""


@pytest.fixture(scope="module")
def laundry(postgres: EmbeddedPostgres) -> Iterator[Laundry]:
    postgres.create_database("template_books")
    with psycopg.connect(postgres.conninfo("template_books")) as inside:
        inside.execute(BOOKS)
    opened = Laundry(postgres, "template_books")
    yield opened
    opened.close()


def one(postgres: EmbeddedPostgres, name: str, order: str) -> object:
    with psycopg.connect(postgres.conninfo(name)) as inside:
        cursor = inside.execute(order)
        return cursor.fetchone() if cursor.description else None


def number_of(postgres: EmbeddedPostgres, name: str) -> object:
    return one(postgres, name, "SELECT oid FROM pg_database WHERE datname = current_database()")


def test_a_used_database_is_empty_again_under_another_name(
    laundry: Laundry, postgres: EmbeddedPostgres
) -> None:
    with laundry.clean() as first:
        number, state = number_of(postgres, first), one(postgres, first, STATE)
        one(postgres, first, "INSERT INTO book VALUES (1, 'a'), (2, 'b')")
        one(postgres, first, "INSERT INTO page VALUES (1, 'once')")
        one(postgres, first, "UPDATE kept SET number = 8")
        assert one(postgres, first, STATE) != state
    with laundry.clean() as second:
        assert number_of(postgres, second) == number
        assert one(postgres, second, STATE) == state
        assert second != first
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            one(postgres, first, STATE)


def test_who_still_talks_to_it_is_sent_away(laundry: Laundry, postgres: EmbeddedPostgres) -> None:
    with laundry.clean() as name:
        left = psycopg.connect(postgres.conninfo(name))
        left.execute("INSERT INTO book VALUES (1, 'never committed')")
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()


def test_two_tests_at_once_have_two_databases(laundry: Laundry) -> None:
    with laundry.clean() as one, laundry.clean() as another:
        assert one != another


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE book DISABLE TRIGGER never",
        "ALTER TABLE book ALTER COLUMN title DROP NOT NULL",
        "ALTER TABLE page DROP CONSTRAINT page_book_fkey",
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "CREATE TABLE more (id int)",
        "CREATE INDEX more ON page (text)",
        "CREATE SCHEMA more",
        "DROP TABLE page",
        "TRUNCATE kept",
        "REVOKE SELECT ON book FROM postgres",
        "ALTER TABLE book SET (fillfactor = 50)",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 65', current_database()); END $$",
        "ANALYZE kept",
    ],
)
def test_whose_definitions_were_changed_is_not_handed_out_again(
    laundry: Laundry, postgres: EmbeddedPostgres, change: str
) -> None:
    with laundry.clean() as name:
        number = number_of(postgres, name)
        one(postgres, name, change)
    with laundry.clean() as name:
        assert number_of(postgres, name) != number
