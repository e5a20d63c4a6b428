"""The audit can find: every check is shown a break of its own invariant, on both databases."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import fact_id
from nerava.ledger import Ledger, chain, transfer
from nerava.ledger.audit import CHECKS, FINDINGS_MAX, Check, audit
from nerava.ledger.chart import driver_nova, merchant_nova
from nerava.ledger.findings import Finding
from nerava.ledger.templates.redemption import redemption_capture, redemption_release, redemption_show
from nerava.ledger.templates.session_reward import SessionGrant, session_reward
from nerava.migrations.tables import metadata
from nerava.platform.db import Database
from tests.chaos.tampering import drop_every_guard
from tests.helpers.financial_helpers import Books
from tests.helpers.parallel import in_parallel
from tests.ledger.houses import kept_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

NOTHING: Final = "'00000000-0000-7000-8000-000000000000'"

FIRST: Final = "(SELECT min(CAST(id AS TEXT)) FROM ledger_transfer WHERE kind = '{}')"
HOLDS: Final = "UPDATE ledger_open_hold SET "
BALANCES: Final = "UPDATE ledger_balance SET "
TRANSFERS: Final = "UPDATE ledger_transfer SET "

BREAKS: Final[dict[str, tuple[str, str]]] = {
    "a balance is gone": ("accounts-are-whole", "DELETE FROM ledger_balance WHERE sequence = 0"),
    "an account is gone": (
        "accounts-are-whole",
        "DELETE FROM ledger_account WHERE code = 'platform:breakage'",
    ),
    "an asset is gone": ("accounts-are-whole", "DELETE FROM ledger_asset WHERE code = 'USD'"),
    "an account is in another lane than its balance": (
        "accounts-are-whole",
        "UPDATE ledger_account SET lane = 'north' WHERE code = 'nova:reserve'",
    ),
    "credits without debits": (
        "debits-equal-credits",
        BALANCES + "credits_posted = credits_posted + 1 WHERE floor IS NULL AND asset = 'USD'",
    ),
    "reservations of one side": (
        "debits-equal-credits",
        BALANCES + "credits_pending = credits_pending + 1 WHERE floor IS NULL AND asset = 'USD'",
    ),
    "counters that history does not know": (
        "counters-match-history",
        BALANCES + "credits_posted = credits_posted + 1, debits_posted = debits_posted + 1",
    ),
    "reservations that no hold explains": (
        "pending-is-open-holds",
        BALANCES + "credits_pending = credits_pending + 1",
    ),
    "a hold struck off the list": ("open-holds-are-holds", "DELETE FROM ledger_open_hold"),
    "a hold of another amount on the list": ("open-holds-are-holds", HOLDS + "amount = amount + 1"),
    "a hold of another deadline on the list": ("open-holds-are-holds", HOLDS + "expires_at = NULL"),
    "a hold of another lane on the list": ("open-holds-are-holds", HOLDS + "lane = 'north'"),
    "a hold of another asset on the list": ("open-holds-are-holds", HOLDS + "asset = 'USD'"),
    "a resolved hold on the list": (
        "open-holds-are-holds",
        (
            "INSERT INTO ledger_open_hold (hold_id, key, debit, credit, asset, amount, lane) "
            "SELECT h.id, h.key, h.debit, h.credit, h.asset, h.amount, h.lane FROM ledger_transfer h "
            "JOIN ledger_transfer r ON r.hold_id = h.id WHERE r.kind = 'capture'"
        ),
    ),
    "a movement on the list of holds": (
        "open-holds-are-holds",
        (
            "INSERT INTO ledger_open_hold (hold_id, key, debit, credit, asset, amount, lane) "
            f"SELECT id, key, debit, credit, asset, amount, lane FROM ledger_transfer WHERE CAST(id AS TEXT) = "
            f"{FIRST.format('direct')}"
        ),
    ),
    "a capture above its hold": ("captures-within-holds", TRANSFERS + "amount = 1000 WHERE kind = 'capture'"),
    "a capture between other accounts": (
        "captures-within-holds",
        TRANSFERS + "debit = credit, credit = debit WHERE kind = 'capture'",
    ),
    "a release of a part": ("captures-within-holds", TRANSFERS + "amount = 1 WHERE kind = 'release'"),
    "a resolution of a movement": (
        "captures-within-holds",
        TRANSFERS + "kind = 'direct' WHERE kind = 'hold'",
    ),
    "a balance below its floor": (
        "limits-kept",
        BALANCES + "floor = 10000 WHERE floor = 0 AND sequence > 0",
    ),
    "a balance above its ceiling": ("limits-kept", BALANCES + "ceiling = 0 WHERE keeps_lots"),
    "a number that is missing": ("sequences-dense", BALANCES + "sequence = sequence + 1 WHERE sequence > 0"),
    "a number that is taken twice": (
        "sequences-dense",
        TRANSFERS + "debit_sequence = debit_sequence + 1 WHERE kind = 'hold'",
    ),
    "numbers that do not begin at one": (
        "sequences-dense",
        TRANSFERS + "credit_sequence = credit_sequence + 7 WHERE kind IN ('hold', 'capture', 'release')",
    ),
    "a balance that does not follow": (
        "balances-follow-each-other",
        TRANSFERS + "credit_posted = credit_posted + 1 WHERE kind = 'capture'",
    ),
    "time that runs back": (
        "balances-follow-each-other",
        TRANSFERS + "posted_at = '2001-01-01T00:00:00.000000+00:00' WHERE kind = 'capture'",
    ),
    "a last balance that is not the current one": (
        "last-balance-is-current",
        TRANSFERS + "debit_available = debit_available - 1 WHERE template = 'last'",
    ),
    "an instant that the balance does not know": (
        "last-balance-is-current",
        BALANCES + "last_posted_at = NULL WHERE sequence > 0",
    ),
    "points that moved as cash": (
        "one-asset-per-transfer",
        TRANSFERS + "asset = 'USD' WHERE kind = 'capture'",
    ),
    "a movement to an account that is gone": (
        "one-asset-per-transfer",
        "DELETE FROM ledger_account WHERE kind = 'merchant_nova'",
    ),
    "a movement in another lane": (
        "one-asset-per-transfer",
        TRANSFERS + "lane = 'north' WHERE kind = 'capture'",
    ),
    "points that nothing backs": (
        "points-are-backed",
        BALANCES + "credits_posted = credits_posted - 1 WHERE account_id IN "
        "(SELECT id FROM ledger_account WHERE kind = 'nova_reserve')",
    ),
    "a lot that lost points": ("lots-cover-balances", "UPDATE ledger_lot SET remaining = remaining - 1"),
    "lots where none are kept": (
        "lots-cover-balances",
        "UPDATE ledger_lot SET account_id = (SELECT id FROM ledger_account WHERE kind = 'merchant_nova')",
    ),
    "a use that the lot does not know": ("lots-add-up", "UPDATE ledger_lot_use SET amount = amount + 1"),
    "a batch that counts wrongly": ("batches-are-whole", "UPDATE ledger_batch SET transfers = transfers + 1"),
    "a batch that is gone": ("batches-are-whole", "DELETE FROM ledger_batch"),
    "a batch without transfers": (
        "batches-are-whole",
        "DELETE FROM ledger_transfer WHERE template = 'last'",
    ),
    "a batch of another lane": ("batches-are-whole", "UPDATE ledger_batch SET lane = 'north'"),
    "a batch that waits in another lane": ("batches-are-whole", "UPDATE ledger_unsealed SET lane = 'north'"),
    "a transaction without its first transfer": (
        "transactions-are-whole",
        TRANSFERS + "position = position + 1 WHERE template = 'last'",
    ),
    "a transaction in two batches": (
        "transactions-are-whole",
        TRANSFERS + f"batch_id = {NOTHING} WHERE position = 1",
    ),
    "a transaction with two bodies": (
        "transactions-are-whole",
        TRANSFERS + "fingerprint = digest WHERE position = 1",
    ),
    "a transaction with two transfers in one place": (
        "transactions-are-whole",
        TRANSFERS + "position = 0 WHERE position = 1",
    ),
}


@pytest.fixture
def books(database: Database, ledger: Ledger) -> Books:
    """Books in which everything has happened once."""
    return lived_in(Books.opened(database, ledger))


def lived_in(books: Books) -> Books:
    """Let a grant happen, and three codes: one captured, one withdrawn, one still open."""
    driver_id, merchant_id = books.driver(), fact_id("merchant")
    books.open(merchant_nova(merchant_id))
    books.must(session_reward(SessionGrant(books.campaign(500), fact_id("session"), driver_id, 100)))
    for name in ("captured", "withdrawn", "open"):
        books.must(
            redemption_show(
                redemption_id=fact_id(name),
                driver_id=driver_id,
                merchant_id=merchant_id,
                price=20,
                expires_at=datetime.now(UTC) + timedelta(hours=1),
            )
        )
    books.must(
        redemption_capture(redemption_id=fact_id("captured"), register_id=merchant_id, price=15),
        redemption_release(redemption_id=fact_id("withdrawn")),
        chain("last", transfer(driver_nova(driver_id), merchant_nova(merchant_id), 5)),
    )
    assert books.findings() == []
    return books


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Books that somebody took every guard and every constraint from; each test takes its break back."""
    with kept_database(request, request.param) as url:
        with closing(Database(url)) as database, closing(Ledger(database, SystemClock())) as ledger:
            lived_in(Books.opened(database, ledger))
            drop_every_guard(database)
        engine = create_engine(url)
        with Session(engine) as session, session.begin():
            if request.param == "sqlite":
                for table in (name for name in metadata().tables if name.startswith("ledger_")):
                    _rebuild_bare(session, table)
            else:
                _drop_constraints(session)
        yield engine
        engine.dispose()


def _rebuild_bare(session: Session, table: str) -> None:
    """Put a copy without any constraint in the place of a table of SQLite."""
    session.execute(text(f"CREATE TABLE bare AS SELECT * FROM {table}"))
    session.execute(text(f"DROP TABLE {table}"))
    session.execute(text(f"ALTER TABLE bare RENAME TO {table}"))


def _drop_constraints(session: Session) -> None:
    rows = session.execute(
        text(
            """SELECT conrelid::regclass::text, conname FROM pg_constraint
               WHERE conrelid::regclass::text LIKE 'ledger%' AND contype IN ('f', 'c', 'u', 'p')
               ORDER BY contype = 'f' DESC, contype = 'c' DESC"""
        )
    ).all()
    for table, name in rows:
        session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
    session.execute(text("DROP INDEX uq_ledger_transfer_hold_id"))


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found_by_the_check_that_looks_for_it(bare: Engine, name: str) -> None:
    check, statement = BREAKS[name]
    with Session(bare) as session:
        assert session.connection().exec_driver_sql(statement).rowcount > 0
        found = audit(session)

    assert check in {one.check for one in found}
    assert all(one.subject and one.detail for one in found)


def test_books_without_guards_are_still_clean(bare: Engine) -> None:
    with Session(bare) as session:
        assert audit(session) == []


def test_every_check_is_shown_a_break() -> None:
    assert {check for check, _ in BREAKS.values()} == {check.name for check in CHECKS}
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check.promise.endswith(".") for check in CHECKS)


def test_a_ledger_of_which_nothing_is_known_is_clean(database: Database) -> None:
    assert database.read(audit) == []


def test_every_check_runs_in_turn_and_says_how_much_it_found(books: Books) -> None:
    told: list[tuple[str, int]] = []
    strange = Check("strange", "Nobody is strange.", "SELECT 'somebody', 7 UNION ALL SELECT 'another', 8")

    found = books.database.read(
        lambda session: audit(
            session, [strange], on_check=lambda check, count: told.append((check.name, count))
        )
    )

    assert found == [Finding("strange", "somebody", "7"), Finding("strange", "another", "8")]
    assert told == [*((check.name, 0) for check in CHECKS), ("strange", 2)]


def test_a_check_that_finds_everything_reports_the_first_hundred(books: Books) -> None:
    ten = " UNION ALL ".join(f"SELECT {number} AS n" for number in range(11))
    many = Check("many", "Few.", f"SELECT a.n, b.n FROM ({ten}) a CROSS JOIN ({ten}) b")

    assert len(books.database.read(lambda session: audit(session, [many]))) == FINDINGS_MAX == 100


def test_the_audit_sees_one_snapshot_while_money_moves(books: Books) -> None:
    campaign_id, driver_id = books.campaign(10_000), books.driver()

    def work(index: int) -> list[Finding]:
        if index % 2:
            for number in range(10):
                books.must(
                    session_reward(SessionGrant(campaign_id, fact_id(f"{index}:{number}"), driver_id, 1))
                )
            return []
        return books.findings()

    seen: Callable[[int], list[Finding]] = work
    assert [one for found in in_parallel(8, seen) for one in found] == []
