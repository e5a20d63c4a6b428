"""Instants and documents mean the same on both databases; ids have `tests/test_uuid_compatibility.py`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, exc, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from nerava.platform.db import JSONType, UtcDateTime
from nerava.platform.db.types import instant_text

if TYPE_CHECKING:
    from nerava.platform.db import Database

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)

moments = Table(
    "type_moment",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime()),
    Column("document", JSONType),
)


@pytest.fixture
def kept(database: Database) -> Database:
    """A database with the table of this module."""
    database.run(lambda session: moments.create(session.connection()))
    return database


def put(database: Database, *instants: Any) -> None:
    database.run(lambda session: session.execute(insert(moments), [{"at": at} for at in instants]))


def instants(database: Database, order: Any = moments.c.id) -> list[datetime | None]:
    return database.read(
        lambda session: list(session.execute(select(moments.c.at).order_by(order)).scalars())
    )


@pytest.mark.parametrize(
    "given",
    [
        NOON,
        NOON.replace(microsecond=1),
        NOON.replace(microsecond=999_999),
        NOON.astimezone(ZoneInfo("America/Los_Angeles")),
        NOON.astimezone(timezone(timedelta(hours=5, minutes=45))),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
    ids=str,
)
def test_an_aware_instant_of_any_zone_comes_back_as_the_same_one_in_utc(
    kept: Database, given: datetime
) -> None:
    put(kept, given)

    (back,) = instants(kept)
    assert back == given.astimezone(UTC)
    assert back is not None
    assert back.tzinfo is UTC


def test_no_instant_is_none(kept: Database) -> None:
    put(kept, None)
    assert instants(kept) == [None]


def test_a_naive_instant_is_refused(kept: Database) -> None:
    with pytest.raises(exc.StatementError, match="naive"):
        put(kept, datetime(2026, 3, 1, 12))
    with pytest.raises(exc.StatementError, match="naive"):
        kept.read(lambda session: session.execute(select(moments).where(moments.c.at > datetime(2026, 3, 1))))

    assert instants(kept) == []


def test_order_and_comparison_are_those_of_time_whatever_the_zone(kept: Database) -> None:
    east, west = timezone(timedelta(hours=9)), timezone(timedelta(hours=-8))
    made = [
        NOON,
        (NOON + timedelta(microseconds=1)).astimezone(east),
        (NOON - timedelta(hours=1)).astimezone(west),
    ]
    put(kept, *made)

    assert instants(kept, moments.c.at) == sorted(made)
    later = select(func.count()).where(moments.c.at >= NOON.astimezone(west))
    assert kept.read(lambda session: session.execute(later).scalar_one()) == 2
    exact = select(func.count()).where(moments.c.at == NOON.astimezone(east))
    assert kept.read(lambda session: session.execute(exact).scalar_one()) == 1


@given(
    st.datetimes(
        min_value=datetime(1000, 1, 2),
        max_value=datetime(9998, 12, 30),
        timezones=st.timezones(no_cache=False),
    ),
    st.datetimes(
        min_value=datetime(1000, 1, 2),
        max_value=datetime(9998, 12, 30),
        timezones=st.timezones(no_cache=False),
    ),
)
def test_as_text_instants_have_one_width_and_sort_as_time_does(one: datetime, other: datetime) -> None:
    first, second = instant_text(one), instant_text(other)

    assert len(first) == len(second) == len("2026-03-01T12:00:00.000000+00:00")
    assert (first < second) == (one.astimezone(UTC) < other.astimezone(UTC))
    assert datetime.fromisoformat(first) == one.astimezone(UTC)


def test_an_instant_is_timestamptz_on_postgresql_and_text_on_sqlite() -> None:
    create = CreateTable(moments)
    assert "TIMESTAMP WITH TIME ZONE" in str(create.compile(dialect=postgresql.dialect()))
    assert "at TEXT" in str(create.compile(dialect=sqlite.dialect()))
    assert UtcDateTime().python_type is datetime


def test_raw_text_on_sqlite_is_iso_in_utc(kept: Database) -> None:
    put(kept, NOON.astimezone(ZoneInfo("America/Los_Angeles")))
    raw = kept.read(lambda session: session.execute(text("SELECT at FROM type_moment")).scalar_one())

    assert raw == ("2026-03-01T12:00:00.000000+00:00" if kept.is_sqlite else NOON)


@pytest.mark.parametrize(
    "document",
    [{}, [], {"a": [1, {"b": None}], "ü": "é\N{GRINNING FACE}", "n": -(2**53)}, [True, False], "text", 7],
    ids=repr,
)
def test_a_document_comes_back_as_it_went_in(kept: Database, document: Any) -> None:
    kept.run(lambda session: session.execute(insert(moments), [{"document": document}]))

    assert kept.read(lambda session: session.execute(select(moments.c.document)).scalar_one()) == document


def test_a_document_is_jsonb_on_postgresql() -> None:
    assert "document JSONB" in str(CreateTable(moments).compile(dialect=postgresql.dialect()))
    assert "document JSON" in str(CreateTable(moments).compile(dialect=sqlite.dialect()))
