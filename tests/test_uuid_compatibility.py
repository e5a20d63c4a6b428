"""Ids mean the same on SQLite and on PostgreSQL: one spelling, in keys, indexes, joins and JSON."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    MetaData,
    Select,
    String,
    UniqueConstraint,
    bindparam,
    delete,
    exc,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.schema import CreateTable

from nerava.kernel.ids import fact_id, new_id
from nerava.migrations.tables import metadata
from nerava.platform.db import JSONType, UUIDType, canonical_uuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

ONE: Final = UUID("0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5b")
TEXT: Final = "0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5b"

MALFORMED: Final[dict[str, Any]] = {
    "empty": "",
    "braces": "{0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5b}",
    "urn": "urn:uuid:0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5b",
    "bare hex": "0190a0b1c2d37e4f8a9b0c1d2e3f4a5b",
    "too short": "0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5",
    "too long": "0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5bb",
    "hyphens elsewhere": "0190a0b1c-2d3-7e4f-8a9b-0c1d2e3f4a5b",
    "a letter beyond f": "0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5g",
    "a blank behind": "0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5b ",
    "a line behind": "0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5b\n",
    "a digit of another script": "\N{ARABIC-INDIC DIGIT ZERO}190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5b",
    "words": "not an id",
    "a number": 42,
    "the number of an id": ONE.int,
    "bytes": ONE.bytes,
    "text in bytes": TEXT.encode(),
    "a boolean": True,
    "a list": [TEXT],
}


class Base(DeclarativeBase):
    """Tables of this module alone."""

    metadata = MetaData()


class Site(Base):
    __tablename__ = "uuid_site"

    id: Mapped[UUID] = mapped_column(UUIDType, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(20), default="")
    plugs: Mapped[list[Plug]] = relationship(back_populates="site", order_by="Plug.id")


class Plug(Base):
    __tablename__ = "uuid_plug"
    __table_args__ = (UniqueConstraint("site_id", "serial"),)

    id: Mapped[UUID] = mapped_column(UUIDType, primary_key=True, default=new_id)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("uuid_site.id"), index=True)
    serial: Mapped[UUID | None] = mapped_column(UUIDType, unique=True)
    notes: Mapped[dict[str, Any]] = mapped_column(JSONType, default=dict)
    site: Mapped[Site] = relationship(back_populates="plugs")


class Fixed(Base):
    """A STRICT table, as the ledger's are, whose check names an id."""

    __tablename__ = "uuid_fixed"
    __table_args__ = (CheckConstraint(f"id <> '{UUID(int=0)}'", name="not_nil"), {"sqlite_strict": True})

    id: Mapped[UUID] = mapped_column(UUIDType(strict=True), primary_key=True)


site, plug = Site.__table__, Plug.__table__


@pytest.fixture
def ids(database: Database) -> Database:
    """A database with the tables of this module."""
    database.run(lambda session: Base.metadata.create_all(session.connection()))
    return database


def add(database: Database, *sites: Any) -> None:
    database.run(lambda session: session.execute(insert(site), [{"id": one, "name": "s"} for one in sites]))


def fetch(database: Database, query: Select[Any]) -> list[Any]:
    return database.read(lambda session: list(session.execute(query).scalars()))


def write(database: Database, work: Callable[[Session], Any]) -> Any:
    return database.run(work)


# In and out.


@pytest.mark.parametrize("given", [ONE, TEXT, TEXT.upper(), "0190A0b1-c2D3-7e4F-8a9B-0c1d2e3f4a5b"])
def test_an_id_in_any_accepted_form_is_one_id(ids: Database, given: UUID | str) -> None:
    add(ids, given)

    assert fetch(ids, select(site.c.id)) == [ONE]
    for asked in (ONE, TEXT, TEXT.upper()):
        assert fetch(ids, select(site.c.id).where(site.c.id == asked)) == [ONE]


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_id_is_refused_before_it_reaches_the_database(ids: Database, kind: str) -> None:
    add(ids, ONE)

    with pytest.raises(exc.StatementError) as refused:
        add(ids, MALFORMED[kind])
    assert type(refused.value.orig) in {ValueError, TypeError}
    with pytest.raises(exc.StatementError):
        fetch(ids, select(site.c.id).where(site.c.id == MALFORMED[kind]))
    with pytest.raises(exc.StatementError):
        fetch(ids, select(site.c.id).where(site.c.id.in_([ONE, MALFORMED[kind]])))

    assert fetch(ids, select(site.c.id)) == [ONE]


def test_the_complaint_about_an_id_is_short_and_names_no_more_than_fifty_letters() -> None:
    with pytest.raises(ValueError, match=r"^not a canonical UUID: 'x{50}'$"):
        canonical_uuid("x" * 10_000)
    with pytest.raises(TypeError, match=r"^an id must be a UUID or its text, not bytes$"):
        canonical_uuid(b"x" * 10_000)  # type: ignore[arg-type]


def test_no_id_is_no_id(ids: Database) -> None:
    add(ids, ONE)
    write(
        ids, lambda session: session.execute(insert(plug), [{"id": new_id(), "site_id": ONE, "serial": None}])
    )

    assert fetch(ids, select(plug.c.serial)) == [None]
    assert fetch(ids, select(plug.c.site_id).where(plug.c.serial.is_(None))) == [ONE]


@given(st.uuids())
def test_every_id_has_one_canonical_text(one: UUID) -> None:
    assert canonical_uuid(one) == canonical_uuid(str(one).upper()) == str(one)
    assert UUID(canonical_uuid(one)) == one


@given(st.text() | st.from_regex(r"[0-9a-f-]{30,40}") | st.uuids().map(lambda one: one.hex))
def test_text_is_an_id_only_in_the_canonical_form(words: str) -> None:
    try:
        spelt = canonical_uuid(words)
    except ValueError:
        return
    assert spelt == words.lower() == str(UUID(words))


def test_ids_of_both_kinds_that_the_product_makes_go_through(ids: Database) -> None:
    made = [new_id(), fact_id("session_reward:1:2"), uuid4(), UUID(int=0), UUID(int=2**128 - 1)]
    add(ids, *made)

    assert set(fetch(ids, select(site.c.id))) == set(made)


# What the databases hold.


def test_the_column_is_native_on_postgresql_and_text_of_36_on_sqlite() -> None:
    create = CreateTable(site)
    assert "id UUID NOT NULL" in str(create.compile(dialect=postgresql.dialect()))
    assert "id CHAR(36) NOT NULL" in str(create.compile(dialect=sqlite.dialect()))
    strict = str(CreateTable(Fixed.__table__).compile(dialect=sqlite.dialect()))
    assert "id TEXT NOT NULL" in strict
    assert "STRICT" in strict


def test_the_database_itself_says_what_the_column_is(ids: Database) -> None:
    def look(session: Session) -> set[str]:
        columns = inspect(session.connection()).get_columns("uuid_plug")
        return {str(one["type"]) for one in columns if one["name"] in {"id", "site_id", "serial"}}

    assert ids.read(look) == {"CHAR(36)" if ids.is_sqlite else "UUID"}


def test_raw_sql_reads_the_canonical_text(ids: Database) -> None:
    add(ids, TEXT.upper())
    raw = text("SELECT CAST(id AS CHAR(36)), length(CAST(id AS CHAR(36))) FROM uuid_site")

    assert ids.read(lambda session: tuple(session.execute(raw).one())) == (TEXT, 36)


def test_raw_sql_gives_a_uuid_when_it_is_told_the_type(ids: Database) -> None:
    add(ids, ONE)
    raw = text("SELECT id FROM uuid_site WHERE id = :id")
    typed = raw.bindparams(bindparam("id", type_=UUIDType())).columns(id=UUIDType())

    assert ids.read(lambda session: session.execute(typed, {"id": TEXT.upper()}).scalar_one()) == ONE


def test_a_row_that_somebody_else_spelt_in_capitals_is_read_all_the_same(ids: Database) -> None:
    written = text(f"INSERT INTO uuid_site (id, name) VALUES ('{TEXT.upper()}', '')")
    write(ids, lambda session: session.execute(written))

    assert fetch(ids, select(site.c.id)) == [ONE]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_row_that_somebody_else_spelt_wrongly_is_not_passed_on(ids: Database) -> None:
    write(
        ids, lambda session: session.execute(text("INSERT INTO uuid_site (id, name) VALUES ('rubbish', '')"))
    )

    with pytest.raises(ValueError, match="not a canonical UUID: 'rubbish'"):
        fetch(ids, select(site.c.id))


def test_a_check_that_names_an_id_holds(ids: Database) -> None:
    write(ids, lambda session: session.execute(insert(Fixed), [{"id": ONE}]))

    with pytest.raises(exc.IntegrityError, match="not_nil"):
        write(ids, lambda session: session.execute(insert(Fixed), [{"id": UUID(int=0)}]))


# Keys and indexes.


def test_a_primary_key_is_found_by_id_and_by_text(ids: Database) -> None:
    add(ids, ONE)

    for asked in (ONE, TEXT, TEXT.upper()):
        found = ids.read(lambda session, key=asked: session.get_one(Site, key).id)
        assert found == ONE


def test_one_id_in_two_spellings_is_a_duplicate(ids: Database) -> None:
    def twice(session: Session) -> None:
        session.execute(insert(site), [{"id": TEXT, "name": "a"}])
        with pytest.raises(exc.IntegrityError):
            session.execute(insert(site), [{"id": TEXT.upper(), "name": "b"}])
        session.rollback()

    write(ids, twice)


def test_a_unique_index_takes_an_id_once_and_none_as_often_as_you_like(ids: Database) -> None:
    add(ids, ONE)
    rows = [{"id": new_id(), "site_id": TEXT, "serial": serial} for serial in (None, None, ONE)]
    write(ids, lambda session: session.execute(insert(plug), rows))

    def again(session: Session) -> None:
        with pytest.raises(exc.IntegrityError):
            session.execute(insert(plug), [{"id": new_id(), "site_id": ONE, "serial": TEXT.upper()}])
        session.rollback()

    write(ids, again)


def test_a_foreign_key_joins_spellings_and_refuses_the_unknown(ids: Database) -> None:
    add(ids, TEXT.upper())
    write(ids, lambda session: session.execute(insert(plug), [{"id": new_id(), "site_id": TEXT}]))

    assert fetch(ids, select(site.c.id).join(plug)) == [ONE]
    with pytest.raises(exc.IntegrityError):
        write(ids, lambda session: session.execute(insert(plug), [{"id": new_id(), "site_id": new_id()}]))
    with pytest.raises(exc.IntegrityError):
        write(ids, lambda session: session.execute(delete(site)))


# Queries.


def test_lists_of_ids_mix_forms(ids: Database) -> None:
    others = [new_id() for _ in range(3)]
    add(ids, ONE, *others)

    wanted: list[Any] = [TEXT.upper(), others[0], str(others[1])]
    assert set(fetch(ids, select(site.c.id).where(site.c.id.in_(wanted)))) == {ONE, *others[:2]}
    assert fetch(ids, select(site.c.id).where(site.c.id.not_in(wanted))) == [others[2]]
    assert fetch(ids, select(site.c.id).where(site.c.id.in_([]))) == []


def test_a_list_of_a_thousand_ids_is_one_query(ids: Database) -> None:
    many = [new_id() for _ in range(1_000)]
    add(ids, *many)

    assert sorted(fetch(ids, select(site.c.id).where(site.c.id.in_(many)))) == many


def test_order_is_the_same_on_both_databases_and_for_new_ids_that_of_time(ids: Database) -> None:
    dice = random.Random(7)
    made = [UUID(int=dice.getrandbits(128)) for _ in range(200)] + [new_id() for _ in range(50)]
    add(ids, *dice.sample(made, len(made)))

    ordered = fetch(ids, select(site.c.id).order_by(site.c.id))
    assert ordered == sorted(made)
    assert [one for one in ordered if one in made[200:]] == made[200:]
    assert fetch(ids, select(site.c.id).order_by(site.c.id.desc())) == ordered[::-1]


def test_pages_go_on_after_an_id(ids: Database) -> None:
    add(ids, *(made := [new_id() for _ in range(10)]))

    page = select(site.c.id).where(site.c.id > str(made[3]).upper()).order_by(site.c.id).limit(3)
    assert fetch(ids, page) == made[4:7]
    assert fetch(ids, select(site.c.id).where(site.c.id.between(made[2], str(made[3])))) == made[2:4]


def test_rows_are_changed_counted_and_removed_by_id(ids: Database) -> None:
    add(ids, ONE, new_id())

    changed = write(
        ids, lambda session: session.execute(update(site).where(site.c.id == TEXT).values(name="x")).rowcount
    )
    assert changed == 1
    assert fetch(ids, select(func.count(site.c.id.distinct()))) == [2]
    removed = write(
        ids, lambda session: session.execute(delete(site).where(site.c.id == TEXT.upper())).rowcount
    )
    assert removed == 1


def test_expressions_keep_the_type(ids: Database) -> None:
    add(ids, ONE)
    write(
        ids, lambda session: session.execute(insert(plug), [{"id": new_id(), "site_id": ONE, "serial": None}])
    )

    assert fetch(ids, select(func.coalesce(plug.c.serial, plug.c.site_id))) == [ONE]
    assert fetch(ids, select(literal(TEXT.upper(), UUIDType()))) == [ONE]
    assert fetch(ids, select(site.c.id).union(select(plug.c.site_id))) == [ONE]


def test_an_insert_gives_back_the_ids_it_made(ids: Database) -> None:
    rows = [{"name": str(number)} for number in range(5)]
    made = write(ids, lambda session: list(session.execute(insert(Site).returning(Site.id), rows).scalars()))

    assert len(set(made)) == 5
    assert {type(one) for one in made} == {UUID}
    assert sorted(made) == sorted(fetch(ids, select(site.c.id)))


# Objects.


def test_objects_carry_uuids_and_follow_their_relations(ids: Database) -> None:
    def make(session: Session) -> UUID:
        one = Site(name="here", plugs=[Plug(serial=TEXT.upper()), Plug()])  # type: ignore[arg-type]
        session.add(one)
        session.flush()
        session.expire_all()
        assert [type(each.site_id) for each in one.plugs] == [UUID, UUID]
        assert {each.serial for each in one.plugs} == {ONE, None}
        assert {each.site.id for each in one.plugs} == {one.id}
        return one.id

    made = write(ids, make)

    assert ids.read(lambda session: [each.site_id for each in session.get_one(Site, made).plugs]) == [
        made,
        made,
    ]


def test_the_identity_of_an_object_is_its_uuid(ids: Database) -> None:
    add(ids, ONE)

    def look(session: Session) -> None:
        by_query = session.execute(select(Site).where(Site.id == TEXT.upper())).scalar_one()
        assert inspect(by_query).identity == (ONE,)
        assert session.get(Site, ONE) is by_query

    ids.read(look)


# JSON around ids.


def test_an_id_inside_json_is_its_canonical_text_and_can_be_asked_for(ids: Database) -> None:
    add(ids, ONE)
    notes = {"site": canonical_uuid(TEXT.upper()), "all": [canonical_uuid(ONE)]}
    write(
        ids, lambda session: session.execute(insert(plug), [{"id": new_id(), "site_id": ONE, "notes": notes}])
    )

    assert fetch(ids, select(plug.c.notes)) == [{"site": TEXT, "all": [TEXT]}]
    inside = plug.c.notes["site"].as_string()
    assert fetch(ids, select(inside)) == [TEXT]
    assert fetch(ids, select(plug.c.site_id).where(inside == canonical_uuid(ONE))) == [ONE]
    assert fetch(ids, select(plug.c.site_id).where(plug.c.notes[("all", 0)].as_string() == TEXT)) == [ONE]


def test_a_uuid_that_is_put_into_json_as_it_is_is_refused(ids: Database) -> None:
    add(ids, ONE)

    with pytest.raises((exc.StatementError, TypeError), match="not JSON serializable"):
        write(
            ids, lambda s: s.execute(insert(plug), [{"id": new_id(), "site_id": ONE, "notes": {"site": ONE}}])
        )


# What SQLAlchemy asks of a type.


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["sqlite", "postgresql"])
def test_an_id_can_be_written_into_a_statement(dialect: Any) -> None:
    def rendered(value: Any) -> str:
        query = select(literal(value, UUIDType()))
        return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))

    for one in (ONE, TEXT, TEXT.upper()):
        assert rendered(one).removesuffix(" AS anon_1").removesuffix("::UUID") == f"SELECT '{TEXT}'"
    assert "NULL" in rendered(None)
    with pytest.raises(exc.CompileError):
        rendered("'; DROP TABLE ledger_transfer; --")


def test_a_literal_in_a_statement_is_understood_by_the_database(ids: Database) -> None:
    add(ids, ONE)

    def look(session: Session) -> list[Any]:
        query = select(site.c.id).where(site.c.id == literal(TEXT.upper(), UUIDType(), literal_execute=True))
        return list(session.execute(query).scalars())

    assert ids.read(look) == [ONE]


def test_statements_with_ids_are_cached() -> None:
    looks = [select(site.c.id).where(site.c.id == one) for one in (ONE, new_id())]
    keys = [look._generate_cache_key() for look in looks]  # noqa: SLF001 - there is no public way to ask
    assert keys[0] is not None
    assert keys[0].key == keys[1].key
    assert UUIDType().python_type is UUID


# Every table of the product.

NOT_IDS: Final = {
    # Numbers.
    "outbox_head.id",
    "readiness_probe.id",
    "wallet_pass_tag.id",
    # Opaque words: who and what an entry is about may be a user, a job, a switch or a request of elsewhere.
    "audit_entry.actor_id",
    "audit_entry.object_id",
    "audit_entry.request_id",
    "audit_entry.session_id",
    "audit_entry.tenant_id",
    # Names of keys, limits and texts, in the form in which operators write them.
    "api_key.key_id",
    "audit_anchor.key_id",
    "consent.text_id",
    "data_key.kek_id",
    "limit_state.limit_id",
    "sign_in_challenge.pepper_id",
    # Names that providers and tills give.
    "crm_contact.remote_id",
    "inbound_event.event_id",
    "inbound_event.object_id",
    "message_job.provider_id",
    "payout.bank_payout_id",
    "payout.transfer_id",
    "pos_order.pos_order_id",
    "redemption.pos_order_id",
    "till_location.external_id",
    "till_order.external_id",
    "till_refund.external_id",
    "vehicle_farewell.external_id",
    "vehicle_link.external_id",
    # Names in the roaming protocol.
    "roaming_object.party_id",
    "roaming_party.party_id",
    "roaming_token.contract_id",
    # The authenticator's own bytes.
    "factor_passkey.credential_id",
}
"""Columns that are called so and are no ids of ours, each with what they are instead."""


def test_every_id_of_every_table_is_a_uuid() -> None:
    columns = [column for table in metadata().tables.values() for column in table.columns]
    named = [one for one in columns if one.name == "id" or one.name.endswith("_id")]

    assert [str(one) for one in named if not isinstance(one.type, UUIDType) and str(one) not in NOT_IDS] == []
    assert {str(one) for one in columns} >= NOT_IDS
    assert len(named) > 20


def test_every_foreign_key_has_the_type_of_what_it_names() -> None:
    for table in metadata().tables.values():
        for key in table.foreign_keys:
            assert key.parent.type.compile(sqlite.dialect()) == key.column.type.compile(sqlite.dialect()), key
            assert key.parent.type.compile(postgresql.dialect()) == key.column.type.compile(
                postgresql.dialect()
            )
            assert isinstance(key.parent.type, UUIDType) == isinstance(key.column.type, UUIDType), key


def test_the_databases_hold_every_id_of_the_product_as_the_type_says(database: Database) -> None:
    wanted = {
        str(column): "UUID" if not database.is_sqlite else ("TEXT" if column.type.strict else "CHAR(36)")
        for table in metadata().tables.values()
        for column in table.columns
        if isinstance(column.type, UUIDType)
    }

    def look(session: Session) -> dict[str, str]:
        inspector = inspect(session.connection())
        return {
            f"{table}.{column['name']}": str(column["type"])
            for table in metadata().tables
            for column in inspector.get_columns(table)
        }

    found = database.read(look)
    assert {name: found[name] for name in wanted} == wanted
