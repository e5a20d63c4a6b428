"""R01: history can only be added to, and only balanced; the database itself refuses everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args
from uuid import uuid4

import pytest
from sqlalchemy import exc, make_url, text

from nerava.kernel.clock import SystemClock
from nerava.ledger import Status, model
from nerava.ledger.chart import driver_nova
from nerava.ledger.rights import RIGHTS
from nerava.ledger.sealing import seal_day
from nerava.platform.db import Base, Database
from nerava.platform.db.errors import sqlstate_of
from nerava.platform.db.roles import TableRights, grant_application_role
from tests.chaos.life import Life
from tests.chaos.tampering import drop_every_guard
from tests.helpers.financial_helpers import Books, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from sqlalchemy.orm import Session

    from tests.chaos.life import Town

ROLE: Final = "nerava_application"
NO_RIGHT: Final = "42501"
WAYS: Final = get_args(Way)

COPY: Final = """
INSERT INTO ledger_transfer (id, key, fingerprint, transaction_id, position, template, kind, debit, credit,
  asset, amount, hold_id, expires_at, debit_sequence, credit_sequence, debit_posted, debit_available,
  credit_posted, credit_available, effective_at, posted_at, lane, batch_id, actor, metadata, digest)
SELECT {id}, {key}, fingerprint, transaction_id, position, template, kind, {debit}, {credit}, {asset},
  {amount}, hold_id, expires_at, {debit_sequence}, {credit_sequence}, debit_posted, debit_available,
  credit_posted, credit_available, effective_at, posted_at, lane, batch_id, actor, metadata, digest
FROM (SELECT * FROM ledger_transfer WHERE kind = 'direct' AND asset = 'NOVA' ORDER BY id LIMIT 1) AS one
"""
SOUND: Final = {
    "id": "'00000000-0000-7000-8000-000000000001'",
    "key": "'00000000-0000-7000-8000-000000000002'",
    "debit": "debit",
    "credit": "credit",
    "asset": "asset",
    "amount": "amount",
    "debit_sequence": "debit_sequence + 1000",
    "credit_sequence": "credit_sequence + 1000",
}
BROKEN: Final = {
    "a key that is taken": {"key": "key"},
    "an id that is taken": {"id": "id"},
    "both sides the same account": {"credit": "debit"},
    "an amount of nothing": {"amount": "0"},
    "a negative amount": {"amount": "-amount"},
    "an amount beyond every business": {"amount": "1000000000000001"},
    "points called cash": {"asset": "'USD'"},
    "an account that nobody opened": {"credit": "batch_id"},
    "a number that is taken": {"debit_sequence": "debit_sequence"},
    "a number that is taken on the other side": {"credit_sequence": "credit_sequence"},
    "a number before the first": {"debit_sequence": "0"},
}
CHANGES: Final = {
    "ledger_account": "owner = 'somebody'",
    "ledger_asset": "scale = 3",
    "ledger_batch": "transfers = transfers + 1",
    "ledger_transfer": "amount = amount + 1",
    "ledger_lot_use": "amount = amount + 1",
    "ledger_block": "height = height + 1",
    "ledger_seal": "height = height + 1",
}
"""One change for every table of history."""

HELD_BY_A_KEY_TOO: Final = {"ledger_block"}
"""Tables in which the change meets a unique key as well as a guard."""

OTHER_ATTACKS: Final = {
    "a balance raised": "UPDATE ledger_balance SET credits_posted = credits_posted + 1",
    "a balance taken back": """
        UPDATE ledger_balance SET debits_posted = debits_posted - 1, sequence = sequence + 1""",
    "a balance turned back": "UPDATE ledger_balance SET sequence = sequence - 1 WHERE sequence > 0",
    "a balance below its floor": """
        UPDATE ledger_balance SET debits_posted = credits_posted + 1, sequence = sequence + 1
        WHERE floor = 0""",
    "another asset for an account": "UPDATE ledger_balance SET keeps_lots = NOT keeps_lots",
    "a balance gone": "DELETE FROM ledger_balance",
    "a lot refilled": "UPDATE ledger_lot SET remaining = granted WHERE remaining < granted",
    "a lot that lives longer": "UPDATE ledger_lot SET expires_at = NULL",
    "a lot gone": "DELETE FROM ledger_lot",
    "a hold on the work list raised": "UPDATE ledger_open_hold SET amount = amount + 1",
}


@pytest.fixture
def lived(books: Books, town: Town, live: Callable[[Town, int], None]) -> Books:
    """A house in which every table of history has rows."""
    live(town, 40)
    books.database.run(lambda session: seal_day(session, SystemClock().now()))
    for table in CHANGES:
        assert books.database.read(lambda session, of=table: count(session, of)) > 0
    return books


@pytest.fixture
def application(lived: Books) -> Iterator[Database]:
    """The same database as the application sees it: on PostgreSQL through a role that owns nothing."""
    if lived.database.is_sqlite:
        yield lived.database
        return
    lived.database.run(lambda session: grant_application_role(session, ROLE, RIGHTS))
    opened = Database(make_url(lived.database.url).set(username=ROLE))
    yield opened
    opened.close()


def count(session: Session, table: str) -> int:
    return session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


class Refused(Exception):
    """The database's refusal, on its way past the unit of work, which would try a lost race again."""


def attack(database: Database, statement: str) -> str:
    """Run a statement as a transaction; return how it was refused, or nothing if it was not."""

    def work(session: Session) -> None:
        try:
            session.execute(text(statement))
        except exc.DBAPIError as error:
            raise Refused(sqlstate_of(error) or str(error.orig)) from error

    try:
        database.run(work)
    except Refused as refusal:
        return str(refusal)
    return ""


def attacks(database: Database) -> dict[str, str]:
    """Return every statement that must be refused, by name."""
    found = {name: COPY.format(**{**SOUND, **change}) for name, change in BROKEN.items()}
    for table, change in CHANGES.items():
        found[f"UPDATE of {table}"] = f"UPDATE {table} SET {change}"
        found[f"DELETE from {table}"] = f"DELETE FROM {table}"
        if database.is_sqlite:
            # SQLite's way to empty a table at once is a DELETE of everything, and to rewrite a row, REPLACE.
            found[f"REPLACE in {table}"] = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
        else:
            found[f"TRUNCATE of {table}"] = f"TRUNCATE {table} CASCADE"
    return found | OTHER_ATTACKS


def test_every_broken_insert_update_delete_and_truncate_of_history_is_refused(
    lived: Books, application: Database
) -> None:
    before = {table: lived.database.read(lambda session, of=table: count(session, of)) for table in CHANGES}

    answers = {name: attack(application, statement) for name, statement in attacks(application).items()}

    assert [name for name, refusal in answers.items() if not refusal] == []
    assert before == {
        table: lived.database.read(lambda session, of=table: count(session, of)) for table in CHANGES
    }
    assert lived.findings() == []


def test_the_attacks_would_succeed_on_a_database_without_its_guards(lived: Books) -> None:
    """Shows that the attacks are real: each of these is refused by a guard and by nothing else."""
    assert drop_every_guard(lived.database) > len(CHANGES)

    for table, change in CHANGES.items():
        if table not in HELD_BY_A_KEY_TOO:
            assert attack(lived.database, f"UPDATE {table} SET {change}") == ""
    assert attack(lived.database, COPY.format(**SOUND)) == ""
    assert attack(lived.database, "DELETE FROM ledger_lot_use") == ""
    assert lived.findings() != []


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_the_application_role_has_no_right_even_where_a_guard_is_missing(
    lived: Books, application: Database
) -> None:
    """The role and the triggers each hold alone."""
    drop_every_guard(lived.database)
    statements = [
        *(f"UPDATE {table} SET {change}" for table, change in CHANGES.items()),
        *(f"DELETE FROM {table}" for table in (*CHANGES, "ledger_balance", "ledger_lot")),
        *(f"TRUNCATE {table} CASCADE" for table in (*CHANGES, "ledger_open_hold", "ledger_unsealed")),
        "UPDATE ledger_balance SET floor = -1000000",
        "UPDATE ledger_lot SET granted = granted + 1",
        "ALTER TABLE ledger_transfer DISABLE TRIGGER ALL",
        "DROP TABLE ledger_seal",
        "CREATE TABLE ledger_shadow (id int)",
        "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'",
        "SET session_replication_role = replica",
        "UPDATE alembic_version SET version_num = '0'",
    ]

    refusals = {statement: attack(application, statement) for statement in statements}

    assert {statement: state for statement, state in refusals.items() if state != NO_RIGHT} == {}


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_granting_twice_changes_nothing_and_a_right_too_many_is_taken_away(
    lived: Books, application: Database
) -> None:
    owner = lived.database
    owner.run(lambda session: session.execute(text(f"GRANT ALL ON ledger_transfer TO {ROLE}")))

    owner.run(lambda session: grant_application_role(session, ROLE, RIGHTS))
    drop_every_guard(owner)

    assert attack(application, "UPDATE ledger_transfer SET amount = 1") == NO_RIGHT
    assert attack(application, "CREATE TABLE outbox (id int)") == NO_RIGHT
    assert attack(application, "SELECT count(*) FROM ledger_transfer") == ""


def test_the_application_role_can_do_all_that_the_ledger_does(
    lived: Books, application: Database, town: Town, rng: Random
) -> None:
    for way in WAYS:
        books = Books.of(application, way)
        life = Life(town, f"application-{way}", rng)
        books.open(driver_nova(uuid4()))
        statuses = []
        for _ in range(25):
            statuses.append(books.status(life.chain()))
            if statuses[-1] is not Status.POSTED:
                life.refused()
        assert statuses.count(Status.POSTED) > len(statuses) / 2
        application.run(
            lambda session, of=books: of.ledger.close_account(session, driver_nova(town.drivers[0]))
        )
        assert books.ledger.seal() > 0
        books.ledger.close()

    assert lived.findings() == []


def test_every_table_of_the_ledger_has_its_rights_spelt_out() -> None:
    """A new table must not be writable only because nobody thought of it."""
    tables = {name for name in Base.metadata.tables if name.startswith("ledger_")}

    assert {one.table for one in RIGHTS} == tables
    assert {one.table for one in RIGHTS if one.updates} == {"ledger_balance", "ledger_lot"}
    assert all(
        one == TableRights(one.table) for one in RIGHTS if one.table in {t.name for t in model.HISTORY}
    )
