"""Raw SQL against the ledger's tables: every attack is refused by the database itself, on both engines.

On SQLite each one is tried twice: on a connection as the product opens it, and on one that anybody
opens with the standard library, `foreign_keys` and `recursive_triggers` off.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import exc, insert, text

from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.ledger import AccountSpec, Ledger, chain, model, transfer
from nerava.ledger.accounts import account_uuid
from nerava.ledger.audit import audit
from nerava.ledger.chart import driver_nova, merchant_nova
from nerava.ledger.sealing import seal_day
from nerava.ledger.templates.redemption import redemption_capture, redemption_show
from nerava.ledger.templates.session_reward import SessionGrant, session_reward
from nerava.ledger.values import AMOUNT_MAX
from nerava.platform.db import Base, Database, EngineOptions
from nerava.platform.db.engine import open_engine
from tests.helpers.financial_helpers import Books

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nerava.platform.db.embedded_postgres import EmbeddedPostgres
    from tests.helpers.databases import DatabaseUrl

NEW_ID: Final = "'0190a000-0000-7000-8000-00000000{:04x}'"
UNKNOWN: Final = NEW_ID.format(0xFFFF)


@dataclass(frozen=True)
class Attack:
    """One statement that must be refused, and a pattern of the reason on either engine."""

    name: str
    sql: str
    because: str
    on: tuple[str, ...] = ("sqlite", "postgresql")


def copy(table: str, where: str = "true", verb: str = "INSERT INTO", /, **overrides: str) -> str:
    """Return the statement that inserts a copy of a row, with some columns set to SQL expressions."""
    columns = [column.name for column in Base.metadata.tables[table].columns]
    extra = [name for name in overrides if name not in columns]
    names = ", ".join([*extra, *columns])
    values = ", ".join(overrides.get(name, name) for name in [*extra, *columns])
    return f"{verb} {table} ({names}) SELECT {values} FROM {table} WHERE {where} LIMIT 1"


def movement(kind: str = "direct", /, **overrides: str) -> str:
    """Return the statement that inserts a movement which would be sound but for the overrides."""
    sound = {
        "id": NEW_ID.format(1),
        "key": NEW_ID.format(2),
        "debit_sequence": "debit_sequence + 1000",
        "credit_sequence": "credit_sequence + 1000",
    }
    return copy("ledger_transfer", f"kind = '{kind}' AND asset = 'NOVA'", **{**sound, **overrides})


def many(**overrides: str) -> str:
    """Return the statement that inserts hundreds of sound movements at once, with `n` from 1 to 200."""
    own = dict.fromkeys(("id", "key"), "gen_random_uuid()")
    numbers = {name: f"{name} + 1000 * n" for name in ("debit_sequence", "credit_sequence")}
    statement = movement(**{**own, **numbers, **overrides}).removesuffix(" LIMIT 1")
    return statement.replace("FROM ledger_transfer", "FROM ledger_transfer, generate_series(1, 200) n")


def _transfers() -> Iterator[Attack]:
    key, number, kind = "uq_ledger_transfer_key|REPLACE", "_sequence|REPLACE", "ck_ledger_transfer_kind"
    sides = "fk_ledger_transfer|both accounts of a transfer"
    yield Attack("a movement from nowhere", movement(debit="NULL"), "(?i)not.null|both accounts")
    yield Attack("a movement to nowhere", movement(credit="NULL"), "(?i)not.null|both accounts")
    yield Attack("an amount of nothing", movement(amount="0"), "ck_ledger_transfer_amount")
    yield Attack("a negative amount", movement(amount="-5"), "ck_ledger_transfer_amount")
    yield Attack("no amount", movement(amount="NULL"), "(?i)not.null")
    yield Attack("a huge amount", movement(amount=str(AMOUNT_MAX + 1)), "ck_ledger_transfer_amount")
    yield Attack("an amount above 64 bits", movement(amount=str(2**63)), "out of range|cannot store")
    yield Attack("an amount in words", movement(amount="'ten'"), "cannot store", ("sqlite",))
    yield Attack("half a cent", movement(amount="1.5"), "cannot store", ("sqlite",))
    yield Attack("an account that pays itself", movement(credit="debit"), "two_accounts")
    yield Attack("points called cash", movement(asset="'USD'"), sides)
    yield Attack("an asset nobody defined", movement(asset="'GOLD'"), sides)
    yield Attack("a debit of an unknown account", movement(debit=UNKNOWN), sides)
    yield Attack("a credit of an unknown account", movement(credit=UNKNOWN), sides)
    big = ("postgresql",)
    for side in ("debit", "credit"):
        stranger = f"CASE WHEN n < 200 THEN {side} ELSE {UNKNOWN} END"
        yield Attack(f"a last {side} of an unknown account", many(**{side: stranger}), sides, big)
    yield Attack(
        "a last one in another asset", many(asset="CASE WHEN n < 200 THEN asset ELSE 'USD' END"), sides, big
    )
    temporary = "CREATE TEMPORARY TABLE ledger_balance AS SELECT * FROM ledger_balance; "
    temporary += f"UPDATE pg_temp.ledger_balance SET account_id = {UNKNOWN}; "
    disguised = temporary + movement(debit=UNKNOWN)
    yield Attack("accounts out of a temporary table", disguised, sides, big)
    yield Attack("a key that is taken", movement(key="key"), key)
    yield Attack("an id that is taken", movement(id="id"), "pk_ledger_transfer|REPLACE")
    yield Attack("a number that the debit side used", movement(debit_sequence="debit_sequence"), number)
    yield Attack("a number that the credit side used", movement(credit_sequence="credit_sequence"), number)
    yield Attack("a number before the first", movement(debit_sequence="0"), "sequences")
    yield Attack("a kind nobody knows", movement(kind="'gift'"), f"{kind}|ck_ledger_transfer_hold_id")
    yield Attack("a second resolution of a hold", movement("capture"), "uq_ledger_transfer_hold_id|REPLACE")
    no_hold = "fk_ledger_transfer_hold_id|FOREIGN KEY"
    yield Attack("a capture of a hold that never was", movement("capture", hold_id=UNKNOWN), no_hold)
    yield Attack("a capture of nothing", movement("capture", hold_id="NULL"), "ck_ledger_transfer_hold_id")
    other = "(SELECT o.hold_id FROM ledger_open_hold o LIMIT 1)"
    yield Attack("a movement that takes a hold along", movement(hold_id=other), "ck_ledger_transfer_hold_id")
    yield Attack("a movement that expires", movement(expires_at="posted_at"), "ck_ledger_transfer_expires_at")
    yield Attack("a movement without a key", movement(key="NULL"), "(?i)not.null")


_CHANGE: Final = {
    "ledger_account": ("owner", "'thief'"),
    "ledger_asset": ("scale", "6"),
    "ledger_batch": ("transfers", "transfers + 1"),
    "ledger_transfer": ("amount", "amount + 1"),
    "ledger_lot_use": ("amount", "amount + 1"),
    "ledger_block": ("hash", "previous_hash"),
    "ledger_seal": ("transfers", "transfers + 1"),
}
_UNIQUE: Final[dict[str, list[tuple[str, ...]]]] = {
    "ledger_account": [("id",), ("code",)],
    "ledger_asset": [("code",)],
    "ledger_balance": [("account_id", "asset")],
    "ledger_batch": [("id",)],
    "ledger_transfer": [
        ("id",),
        ("key",),
        ("debit", "debit_sequence"),
        ("credit", "credit_sequence"),
        ("hold_id",),
    ],
    "ledger_lot": [("id",)],
    "ledger_lot_use": [("id",)],
    "ledger_block": [("lane", "height"), ("batch_id",)],
    "ledger_seal": [("lane", "day")],
}
_FRESH: Final = {
    "ledger_account": {"id": NEW_ID.format(3), "code": "'another'"},
    "ledger_asset": {"code": "'GOLD'"},
    "ledger_balance": {},
    "ledger_batch": {"id": NEW_ID.format(4)},
    "ledger_transfer": {
        "id": NEW_ID.format(5),
        "key": NEW_ID.format(6),
        "debit_sequence": "debit_sequence + 1000",
        "credit_sequence": "credit_sequence + 1000",
        "hold_id": "NULL",
        "kind": "'direct'",
    },
    "ledger_lot": {"id": NEW_ID.format(7)},
    "ledger_lot_use": {"id": NEW_ID.format(8)},
    "ledger_block": {"height": "height + 1000", "batch_id": "(SELECT batch_id FROM ledger_unsealed LIMIT 1)"},
    "ledger_seal": {"day": "'2199-01-01'"},
}
"""What a row needs to be a new one, as far as its uniqueness goes."""


def _history() -> Iterator[Attack]:
    for table, (column, value) in _CHANGE.items():
        refused, lite, big = f"{table} is history", ("sqlite",), ("postgresql",)
        primary = ", ".join(_UNIQUE[table][0])
        where = "hold_id IS NOT NULL" if table == "ledger_transfer" else "true"
        yield Attack(f"UPDATE {table}", f"UPDATE {table} SET {column} = {value}", refused)
        yield Attack(f"DELETE {table}", f"DELETE FROM {table}", refused)
        yield Attack(f"TRUNCATE {table}", f"TRUNCATE {table} CASCADE", refused, big)
        upsert = f"ON CONFLICT ({primary}) DO UPDATE SET {column} = excluded.{column}"
        yield Attack(f"UPSERT {table}", f"{copy(table, **{column: value})} {upsert}", refused)
        first = _UNIQUE[table][0][0]
        merge = f"MERGE INTO {table} t USING {table} s ON t.{first} = s.{first} WHEN MATCHED THEN DELETE"
        yield Attack(f"MERGE {table}", merge, refused, big)
        yield Attack(
            f"UPDATE OR REPLACE {table}", f"UPDATE OR REPLACE {table} SET {column} = {value}", refused, lite
        )
        fresh = _FRESH[table]
        for unique in _UNIQUE[table]:
            changes = {name: how for name, how in fresh.items() if name not in unique}
            if unique == ("hold_id",):
                changes.pop("kind")
            statement = copy(table, where, "INSERT OR REPLACE INTO", **{column: value, **changes})
            yield Attack(f"REPLACE {table} by {'+'.join(unique)}", statement, refused, lite)
        statement = copy(table, where, "INSERT OR REPLACE INTO", rowid="rowid", **{column: value, **fresh})
        yield Attack(f"REPLACE {table} by its hidden number", statement, refused, lite)


def _balances() -> Iterator[Attack]:
    table, lite, big = "ledger_balance", ("sqlite",), ("postgresql",)
    back, silent, fixed = "cannot go backward", "cannot change without its sequence", "cannot change"
    rich, capped = "credits_posted > debits_posted AND floor = 0", "ceiling IS NOT NULL"

    def change(setting: str, where: str = "true") -> str:
        return f"UPDATE {table} SET {setting} WHERE {where}"

    yield Attack(
        "credits taken back",
        change("credits_posted = credits_posted - 1, sequence = sequence + 1", rich),
        back,
    )
    yield Attack(
        "debits forgotten", change("debits_posted = 0, sequence = sequence + 1", "debits_posted > 0"), back
    )
    yield Attack("a sequence set back", change("sequence = sequence - 1", "sequence > 0"), back)
    for counter in ("debits_posted", "credits_posted", "debits_pending", "credits_pending"):
        yield Attack(
            f"{counter} without a movement", change(f"{counter} = {counter} + 1", "floor IS NULL"), silent
        )
    spend = "sequence = sequence + 1, {0} = {0} + 1000000"
    yield Attack(
        "spending below the floor", change(spend.format("debits_posted"), rich), "ck_ledger_balance_floor"
    )
    yield Attack(
        "reserving below the floor", change(spend.format("debits_pending"), rich), "ck_ledger_balance_floor"
    )
    yield Attack(
        "earning above the ceiling", change(spend.format("credits_posted"), capped), "balance_ceiling"
    )
    yield Attack(
        "expecting above the ceiling", change(spend.format("credits_pending"), capped), "balance_ceiling"
    )
    negative = change("credits_pending = -1, sequence = sequence + 1", "floor IS NULL")
    yield Attack("a negative reservation", negative, "ck_ledger_balance_counters")
    yield Attack("a floor above the balance", change("floor = 1000000", rich), "ck_ledger_balance_floor")
    yield Attack("a ceiling below the balance", change("ceiling = 0", rich), "ck_ledger_balance_ceiling")
    yield Attack("a balance of somebody else", change(f"account_id = {UNKNOWN}"), fixed)
    yield Attack("a balance in another asset", change("asset = 'USD'", "asset = 'NOVA'"), fixed)
    yield Attack("a balance in another lane", change("lane = 'north'"), fixed)
    yield Attack("lots that are kept no more", change("keeps_lots = NOT keeps_lots"), fixed)
    yield Attack("a balance deleted", f"DELETE FROM {table}", "ledger_balance is history")
    yield Attack("balances truncated", f"TRUNCATE {table} CASCADE", "is history", big)
    upsert = "ON CONFLICT (account_id, asset) DO UPDATE SET credits_posted = 0, sequence = excluded.sequence"
    zero = dict.fromkeys(
        ("debits_posted", "credits_posted", "debits_pending", "credits_pending", "sequence"), "0"
    )
    upserted = f"{copy(table, rich, **zero)} {upsert}"
    yield Attack("a balance set by upsert", upserted, "backward|REPLACE")
    replace = "INSERT OR REPLACE INTO"
    yield Attack("a balance replaced", copy(table, rich, replace, **zero), "REPLACE", lite)
    other = {"asset": "'USD'", **zero}
    both = "fk_ledger_balance|REPLACE"
    yield Attack("a second balance of one account", copy(table, "asset = 'NOVA'", **other), both)
    spare = {"account_id": "(SELECT id FROM ledger_account WHERE code = 'bare')", "asset": "'USD'"}
    hidden = copy(table, rich, replace, rowid="rowid", **spare, **zero)
    yield Attack("a balance replaced by its hidden number", hidden, "REPLACE", lite)
    takeover = f"UPDATE OR REPLACE {table} SET rowid = (SELECT min(rowid) FROM {table}) WHERE sequence = 0"
    yield Attack("a balance that takes the place of another", takeover, fixed, lite)
    birth = "a balance begins at nothing"
    for name in ("credits_posted", "credits_pending", "sequence"):
        yield Attack(f"a balance born with {name}", copy(table, **{**spare, **zero, name: "1"}), birth)
    offset = {**spare, **zero, "credits_posted": "5", "debits_posted": "-5"}
    yield Attack("a balance born with both sides", copy(table, **offset), "ck_ledger_balance_counters")
    unknown = copy(table, **{**zero, "account_id": UNKNOWN})
    yield Attack("a balance of no account", unknown, "fk_ledger_balance|FOREIGN KEY")


def _lots() -> Iterator[Attack]:
    table, only, lite = "ledger_lot", "a lot can only be consumed", ("sqlite",)

    def change(setting: str, where: str = "true") -> str:
        return f"UPDATE {table} SET {setting} WHERE {where}"

    yield Attack("a lot that grows back", change("remaining = remaining + 1", "remaining < granted"), only)
    yield Attack("a lot that was granted more", change("granted = granted + 1"), only)
    yield Attack("more left than granted", change("remaining = granted + 1"), only)
    yield Attack("less left than nothing", change("remaining = -1"), "ck_ledger_lot_remaining")
    yield Attack("another source", change("source = 'thief'"), only)
    yield Attack("a longer life", change("expires_at = NULL", "expires_at IS NOT NULL"), only)
    yield Attack(
        "another owner", change("account_id = (SELECT id FROM ledger_account WHERE code = 'spare')"), only
    )
    yield Attack("another origin", change(f"key = {UNKNOWN}"), only)
    yield Attack("a lot that brings something back", change(f"restores = {UNKNOWN}"), only)
    yield Attack("another id", change(f"id = {UNKNOWN}", "remaining < granted"), only)
    yield Attack("a lot deleted", f"DELETE FROM {table}", "ledger_lot is history")
    yield Attack("lots truncated", f"TRUNCATE {table} CASCADE", "is history", ("postgresql",))
    fresh = {"id": NEW_ID.format(9)}
    yield Attack(
        "a lot born too full", copy(table, **fresh, remaining="granted + 1"), "ck_ledger_lot_remaining"
    )
    yield Attack(
        "a lot of nothing", copy(table, **fresh, granted="0", remaining="0"), "ck_ledger_lot_remaining"
    )
    no_account, no_movement = "fk_ledger_lot|FOREIGN KEY", "fk_ledger_lot|FOREIGN KEY"
    yield Attack("a lot of no account", copy(table, **fresh, account_id=UNKNOWN), no_account)
    yield Attack("a lot of no movement", copy(table, **fresh, key=UNKNOWN), no_movement)
    replace = "INSERT OR REPLACE INTO"
    yield Attack("a lot replaced", copy(table, "true", replace, source="'thief'"), "REPLACE", lite)
    yield Attack(
        "a lot replaced by its hidden number",
        copy(table, "true", replace, rowid="rowid", **fresh),
        "REPLACE",
        lite,
    )
    takeover = (
        f"UPDATE OR REPLACE {table} SET rowid = (SELECT max(rowid) FROM {table}) WHERE remaining < granted"
    )
    yield Attack("a lot that takes the place of another", takeover, only, lite)
    no_use = "fk_ledger_lot_use|FOREIGN KEY"
    yield Attack("a use of no lot", copy("ledger_lot_use", id=NEW_ID.format(10), lot_id=UNKNOWN), no_use)
    yield Attack("a use by no movement", copy("ledger_lot_use", id=NEW_ID.format(10), key=UNKNOWN), no_use)
    nothing = copy("ledger_lot_use", id=NEW_ID.format(10), amount="0")
    yield Attack("a use of nothing", nothing, "ck_ledger_lot_use_amount")


def _others() -> Iterator[Attack]:
    big = ("postgresql",)
    yield Attack("a hold made larger", "UPDATE ledger_open_hold SET amount = 1", "UPDATE refused")
    yield Attack("holds truncated", "TRUNCATE ledger_open_hold", "is history", big)
    yield Attack("waiting batches truncated", "TRUNCATE ledger_unsealed", "is history", big)
    no_hold = "fk_ledger_open_hold|FOREIGN KEY"
    stray = copy("ledger_open_hold", hold_id=UNKNOWN, key=UNKNOWN)
    yield Attack("a hold without a movement", stray, no_hold)
    account = {"id": NEW_ID.format(11), "code": "'twin'"}
    yield Attack(
        "two accounts of one code", copy("ledger_account", id=account["id"]), "uq_ledger_account_code|REPLACE"
    )
    no_asset = "fk_ledger_account_asset|FOREIGN KEY"
    yield Attack("an account in no asset", copy("ledger_account", **account, asset="'GOLD'"), no_asset)
    yield Attack(
        "an asset of odd parts", copy("ledger_asset", code="'GOLD'", scale="7"), "ck_ledger_asset_scale"
    )
    yield Attack(
        "an asset of no kind", copy("ledger_asset", code="'GOLD'", kind="'gold'"), "ck_ledger_asset_kind"
    )
    batch = {"id": NEW_ID.format(12)}
    yield Attack("an empty batch", copy("ledger_batch", **batch, transfers="0"), "ck_ledger_batch_transfers")
    short = copy(
        "ledger_block", height="height + 1000", batch_id="(SELECT batch_id FROM ledger_unsealed LIMIT 1)"
    )
    cut = short.replace(" hash,", " substr(hash, 1, 8),").replace(" hash FROM", " substr(hash, 1, 8) FROM")
    yield Attack("a block with half a hash", cut, "ck_ledger_block_hash")
    no_batch = "fk_ledger_block|FOREIGN KEY"
    yield Attack(
        "a block of no batch", copy("ledger_block", height="height + 1000", batch_id=UNKNOWN), no_batch
    )
    waiting = copy("ledger_unsealed", batch_id=UNKNOWN)
    yield Attack("a batch that waits but is not there", waiting, "fk_ledger_unsealed|FOREIGN KEY")


ATTACKS: Final = [*_transfers(), *_history(), *_balances(), *_lots(), *_others()]


def furnish(books: Books) -> None:
    """Let enough happen that no table of the ledger is empty: all of it sealed but the last batch."""
    driver_id, merchant_id = books.driver(), new_id()
    books.open(merchant_nova(merchant_id))
    limits = [
        AccountSpec("capped", "USD", "merchant_receivable", floor=None, ceiling=0),
        AccountSpec("spare", "USD", "sponsor_prepaid"),
    ]
    books.database.run(lambda session: books.ledger.open(session, limits))
    bare = insert(model.account).values(
        id=account_uuid("bare"),
        code="bare",
        asset="USD",
        kind="spare",
        lane="main",
        created_at=SystemClock().now(),
    )
    books.database.run(lambda session: session.execute(bare))
    soon = datetime.now(UTC) + timedelta(days=1)
    grant = SessionGrant(books.campaign(1_000), new_id(), driver_id, 100, points_expire_at=soon)
    books.must(session_reward(grant))
    books.must(session_reward(SessionGrant(books.campaign(1_000), new_id(), driver_id, 100)))
    books.must(chain("debt", transfer("capped", "platform:adjustments", 10)))
    for redemption_id in (first := new_id(), new_id()):
        books.must(
            redemption_show(
                redemption_id=redemption_id,
                driver_id=driver_id,
                merchant_id=merchant_id,
                price=30,
                expires_at=soon,
            )
        )
    books.must(redemption_capture(redemption_id=first, register_id=merchant_id, price=30))
    books.database.run(lambda session: seal_day(session, datetime.now(UTC)))
    books.must(chain("spent", transfer(driver_nova(driver_id), merchant_nova(merchant_id), 5)))


@pytest.fixture(scope="module")
def sqlite_url(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of furnished books on SQLite, one for all attacks: each is undone."""
    path = tmp_path_factory.mktemp("attacks") / "books.sqlite3"
    shutil.copyfile(sqlite_template, path)
    _furnished(f"sqlite:///{path}")
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def postgresql_url(postgres: EmbeddedPostgres, postgres_template: str) -> Iterator[str]:
    """Address of furnished books on PostgreSQL, one for all attacks: each is undone."""
    postgres.create_database("attacks", template=postgres_template)
    _furnished(postgres.url("attacks"))
    yield postgres.url("attacks")
    postgres.drop_database("attacks")


def _furnished(url: str) -> None:
    with closing(Database(url)) as database, closing(Ledger(database, SystemClock())) as ledger:
        books = Books.opened(database, ledger)
        furnish(books)
        # The account without a balance that some attacks start from is all that is not as it should be.
        assert [(one.check, one.subject) for one in books.findings()] == [("accounts-are-whole", "bare")]


@pytest.fixture(scope="module")
def our_connection(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Any]]:
    """Run a statement on a connection as the product opens it, and take it back."""
    engine = open_engine(request.getfixturevalue(f"{request.param}_url"), EngineOptions(pool_size=1))

    def run(statement: str) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)

    yield run
    engine.dispose()


@pytest.fixture(scope="module")
def plain_connection(sqlite_url: str) -> Iterator[Callable[[str], Any]]:
    """Run a statement on SQLite as anybody opens it, and take it back."""
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA recursive_triggers = OFF")

        def run(statement: str) -> None:
            connection.execute("BEGIN")
            try:
                connection.execute(statement)
            finally:
                connection.execute("ROLLBACK")

        yield run


@pytest.mark.parametrize(
    ("our_connection", "attack"),
    [pytest.param(dialect, one, id=f"{dialect}-{one.name}") for one in ATTACKS for dialect in one.on],
    indirect=["our_connection"],
)
def test_an_attack_is_refused(our_connection: Callable[[str], Any], attack: Attack) -> None:
    with pytest.raises((exc.IntegrityError, exc.DataError), match=attack.because):
        our_connection(attack.sql)


@pytest.mark.parametrize("attack", [pytest.param(one, id=one.name) for one in ATTACKS if "sqlite" in one.on])
def test_an_attack_on_a_connection_that_anybody_opened_is_refused(
    plain_connection: Callable[[str], Any], attack: Attack
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=attack.because):
        plain_connection(attack.sql)


def test_every_table_of_the_ledger_is_attacked() -> None:
    for table in (*model.HISTORY, model.balance, model.lot):
        for word in ("UPDATE", "DELETE FROM", "TRUNCATE"):
            assert any(f"{word} {table.name}" in one.sql for one in ATTACKS), (word, table.name)
    assert len({one.name for one in ATTACKS}) == len(ATTACKS)


# What no constraint can tell from honest work is found by the audit.

STEALTH: Final = {
    "a movement that no balance followed": (movement(), "sequences-dense"),
    "a hold struck off the list": ("DELETE FROM ledger_open_hold", "open-holds-are-holds"),
    "a batch that no chain will link": (
        copy("ledger_batch", id=NEW_ID.format(13), transfers="transfers + 1"),
        "batches-are-whole",
    ),
    "points out of nothing": (
        (
            "UPDATE ledger_balance SET credits_posted = credits_posted + 5, sequence = sequence + 1 "
            "WHERE keeps_lots AND sequence > 0"
        ),
        "counters-match-history",
    ),
    "a lot out of nothing": (copy("ledger_lot", id=NEW_ID.format(14)), "lots-cover-balances"),
}


@pytest.mark.parametrize("name", STEALTH)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_what_looks_like_honest_work_is_found_by_the_audit(
    database_url: DatabaseUrl, dialect: str, name: str
) -> None:
    statement, check = STEALTH[name]
    with database_url(dialect) as url, closing(Database(url)) as database:
        with closing(Ledger(database, SystemClock())) as ledger:
            furnish(Books.opened(database, ledger))
        database.run(lambda session: session.execute(text(statement)))

        found = database.read(audit)

    assert check in {one.check for one in found}
