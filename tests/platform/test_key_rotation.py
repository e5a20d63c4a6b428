"""Data keys are replaced while everybody reads and writes; whatever is killed or held, nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import LargeBinary, select, text, update

from nerava.audit import AuditLog, Entry
from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.migrations.tables import metadata
from nerava.platform.db import Database
from nerava.platform.key_rotation import NEVER_CHANGED, KeyRotator, Rotated, sealed_columns
from nerava.platform.vault import KeyDestroyed, Place, Vault
from nerava.platform.vault_store import DataKey
from nerava.vehicles.model import VehicleToken
from tests.platform.test_vault import keyed

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CLOCK = SystemClock()
VAULT = keyed("kek_2026_01")
TOKENS = "vehicle_token.sealed"


def rotator(
    database: Database, vault: Vault = VAULT, *, batch: int = 7, patience_s: float = 20
) -> KeyRotator:
    return KeyRotator(database, vault, metadata(), CLOCK, batch, patience_s)


def place_of(row_id: UUID) -> Place:
    return Place("vehicle_token", "sealed", row_id)


def owner_of(number: int) -> str:
    return f"user:{number % 5}"


def token_in(row_id: UUID, sealed: bytes) -> VehicleToken:
    """Return the row of a token."""
    known = {"provider": "smartcar", "state": "good", "updated_at": LONG_AGO}
    return VehicleToken(id=row_id, account=str(row_id), sealed=sealed, **known)


def written(database: Database, numbers: range) -> dict[UUID, int]:
    """Keep tokens of five people, each sealed long ago; return their rows with the number in each."""
    rows = {new_id(): number for number in numbers}

    def unit(session: object) -> None:
        for row_id, number in rows.items():
            plain, owner = f"token {number}".encode(), owner_of(number)
            sealed = VAULT.encrypt(session, owner, place_of(row_id), plain, LONG_AGO)  # type: ignore[arg-type]
            session.add(token_in(row_id, sealed))  # type: ignore[attr-defined]

    database.run(unit)
    return rows


def opened(database: Database, rows: dict[UUID, int], vault: Vault = VAULT) -> dict[UUID, bytes]:
    """Return what every row holds."""

    def look(session: object) -> dict[UUID, bytes]:
        found = session.execute(select(VehicleToken.id, VehicleToken.sealed)).all()  # type: ignore[attr-defined]
        return {
            row_id: vault.decrypt(session, owner_of(rows[row_id]), place_of(row_id), sealed)  # type: ignore[arg-type]
            for row_id, sealed in found
        }

    return database.read(look)


def expected(rows: dict[UUID, int]) -> dict[UUID, bytes]:
    return {row_id: f"token {number}".encode() for row_id, number in rows.items()}


def keys(database: Database) -> list[DataKey]:
    return database.run(lambda session: list(session.scalars(select(DataKey).order_by(DataKey.id))))


def used(database: Database) -> set[bytes]:
    """Return the ids of the keys that tokens are sealed under."""
    return {
        one[1:17] for one in database.read(lambda session: session.scalars(select(VehicleToken.sealed)).all())
    }


def assert_over(database: Database, done: Rotated, rows: dict[UUID, int]) -> None:
    """Check that all that is left of the old keys is that they were there."""
    assert done.is_over
    assert opened(database, rows) == expected(rows)
    living = {one.id.bytes for one in keys(database) if one.retired_at is None}
    assert used(database) <= living
    assert all(one.wrapped is None for one in keys(database) if one.retired_at is not None)


def test_everything_is_sealed_under_new_keys_and_the_old_ones_are_gone(database: Database) -> None:
    rows = written(database, range(20))
    before = used(database)

    plan = rotator(database).plan()
    assert (plan.renewed, plan.sealed[TOKENS], plan.destroyed, plan.kept) == (5, 20, 5, 0)
    assert used(database) == before, "a plan changes nothing"
    done = rotator(database).run()

    assert (done.renewed, done.sealed[TOKENS], done.destroyed, done.kept, done.unreadable) == (5, 20, 5, 0, 0)
    assert not used(database) & before
    assert_over(database, done, rows)


def test_a_second_rotation_is_a_new_one_and_only_then(database: Database) -> None:
    rows = written(database, range(10))
    first = rotator(database).run()
    second = rotator(database).run()
    assert (first.goes_on, second.goes_on) == (False, False)
    assert second.began_at > first.began_at
    assert second.renewed == 5
    assert_over(database, second, rows)


def test_the_key_encryption_key_is_replaced_along_the_way(database: Database) -> None:
    rows = written(database, range(10))
    both, alone = keyed("kek_2026_02", "kek_2026_01"), keyed("kek_2026_02")
    done = rotator(database, both).run()
    assert done.wrapped == 5
    assert database.read(both.keys_by_kek) == {"kek_2026_02": 5}
    assert opened(database, rows, alone) == expected(rows)


class Killed(Exception):
    """What ends a rotation at a step."""


@pytest.mark.in_turn
@pytest.mark.parametrize("step", range(6))
def test_ended_at_any_step_the_next_run_goes_on(database: Database, step: int) -> None:
    rows = written(database, range(10))
    told: list[str] = []

    def tell(word: str) -> None:
        if len(told) == step:
            raise Killed
        told.append(word)

    with pytest.raises(Killed):
        rotator(database).run(tell)
    assert opened(database, rows) == expected(rows)
    done = rotator(database).run()

    assert done.goes_on
    assert done.renewed == (5 if step < 2 else 0), "nobody gets two"
    assert len(keys(database)) == 10
    assert_over(database, done, rows)


VICTIM = """
import sys
from nerava.platform.db import Database
from tests.platform.test_key_rotation import rotator
rotator(Database(sys.argv[1]), batch=1).run()
"""


@pytest.mark.in_turn
def test_killed_in_the_middle_of_its_work_it_is_run_again_and_nothing_is_lost(url: str) -> None:
    database = Database(url)
    rows = written(database, range(150))
    before = used(database)
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, url], env={**os.environ, "PYTHONPATH": "src:."})
    try:
        until = time.monotonic() + 90
        while not 5 <= sum(one[1:17] not in before for one in _sealed(database)) < 150:
            assert time.monotonic() < until
            assert victim.poll() is None, "it was over before it could be killed"
            time.sleep(0.005)
    finally:
        victim.kill()
    assert victim.wait() == -signal.SIGKILL
    under_old = sum(one[1:17] in before for one in _sealed(database))
    assert under_old, "there was something left to do"
    assert opened(database, rows) == expected(rows), "in the meantime everything opens"

    done = rotator(database, batch=100).run()

    assert done.goes_on
    assert (done.renewed, done.sealed[TOKENS]) == (0, under_old), "nothing is done twice"
    assert_over(database, done, rows)
    database.close()


def _sealed(database: Database) -> list[bytes]:
    return list(database.read(lambda session: session.scalars(select(VehicleToken.sealed)).all()))


@contextmanager
def busy(*works: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Do this over and over in threads of its own until the end; yield what went wrong."""
    over, wrong = threading.Event(), []

    def loop(work: Callable[[], object]) -> None:
        while not over.is_set():
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - told to the test
                wrong.append(error)
                return

    threads = [threading.Thread(target=loop, args=(work,)) for work in works]
    for one in threads:
        one.start()
    try:
        yield wrong
    finally:
        over.set()
        for one in threads:
            one.join()


def test_nobody_who_reads_or_writes_meanwhile_notices(database: Database) -> None:
    rows = written(database, range(60))
    written_by_now = dict.fromkeys(rows, 0)
    ids = list(rows)

    def read() -> None:
        assert opened(database, rows).keys() == rows.keys()

    def write() -> None:
        row_id = ids[written_by_now[ids[0]] % len(ids)]
        count = written_by_now[row_id] + 1

        def unit(session: object) -> None:
            row = session.get_one(VehicleToken, row_id, with_for_update=True)  # type: ignore[attr-defined]
            plain = f"token {rows[row_id]}".encode()
            row.sealed = VAULT.encrypt(session, owner_of(rows[row_id]), place_of(row_id), plain, CLOCK.now())  # type: ignore[arg-type]
            row.generation = count

        database.run(unit)
        written_by_now[row_id] = count
        written_by_now[ids[0]] += row_id != ids[0]

    with busy(read, write) as wrong:
        for _ in range(2):
            assert rotator(database).run().is_over
    assert wrong == []
    assert_over(database, rotator(database).run(), rows)


def test_rotators_that_run_at_once_share_the_work(database: Database) -> None:
    rows = written(database, range(40))
    done: list[Rotated] = []
    threads = [
        threading.Thread(target=lambda: done.append(rotator(database, batch=3).run())) for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(done) == 4
    assert all(one.is_over for one in done)
    assert opened(database, rows) == expected(rows)
    assert_over(database, rotator(database).run(), rows)


def test_an_owner_who_was_erased_stays_erased(database: Database) -> None:
    written(database, range(10))
    database.run(lambda session: VAULT.destroy(session, "user:3", CLOCK.now()))
    done = rotator(database).run()
    assert (done.is_over, done.renewed) == (True, 4)
    with pytest.raises(KeyDestroyed):
        database.run(lambda session: VAULT.encrypt(session, "user:3", place_of(new_id()), b"x", CLOCK.now()))


def test_what_does_not_open_is_counted_and_its_key_stays(database: Database) -> None:
    rows = written(database, range(10))
    moved, other = list(rows)[:2]
    sealed = dict(
        database.read(
            lambda session: [
                tuple(one) for one in session.execute(select(VehicleToken.id, VehicleToken.sealed))
            ]
        )
    )
    database.run(
        lambda session: session.execute(
            update(VehicleToken).where(VehicleToken.id == moved).values(sealed=sealed[other])
        )
    )
    done = rotator(database).run()
    assert (done.is_over, done.unreadable, done.kept, done.destroyed) == (True, 1, 1, 4)
    assert sealed[other] in _sealed(database), "it is left as it was"


def test_what_a_hash_chain_covers_keeps_its_bytes_and_its_key(database: Database) -> None:
    log = AuditLog(VAULT)
    entry = Entry("user", "u", "x.y", "thing", "1", before={"a": 1}, after={"a": 2}, subject="user:1")
    entry_id = database.run(lambda session: log.record(session, entry, LONG_AGO))
    query = text("SELECT diff_ciphertext FROM audit_entry")
    (before,) = database.read(lambda session: session.scalars(query).all())

    plan, done = rotator(database).plan(), rotator(database).run()

    assert (plan.kept, plan.destroyed) == (done.kept, done.destroyed) == (1, 0)
    (after,) = database.read(lambda session: session.scalars(query).all())
    assert after == before
    changed = database.read(lambda session: log.difference(session, "user:1", entry_id, after))
    assert changed == {"a": [1, 2]}


def test_a_transaction_that_took_an_old_key_is_waited_for(database_url: Callable[[str], object]) -> None:
    with database_url("postgresql") as url:  # type: ignore[attr-defined]
        database = Database(url)
        rows = written(database, range(10))
        late, sealed, may_end = new_id(), threading.Event(), threading.Event()

        def unit(session: object) -> None:
            value = VAULT.encrypt(session, "user:1", place_of(late), b"token 1", CLOCK.now())  # type: ignore[arg-type]
            sealed.set()
            may_end.wait(30)
            session.add(token_in(late, value))  # type: ignore[attr-defined]

        writer = threading.Thread(target=lambda: database.run(unit))
        writer.start()
        sealed.wait(30)
        done = rotator(database, patience_s=0.2).run()
        assert (done.is_over, done.destroyed) == (False, 0)
        may_end.set()
        writer.join()
        again = rotator(database).run()
        assert (again.goes_on, again.renewed) == (True, 0)
        assert_over(database, again, {**rows, late: 1})
        database.close()


def test_a_transaction_that_holds_a_value_under_an_old_key_is_waited_for(
    database_url: Callable[[str], object],
) -> None:
    with database_url("postgresql") as url:  # type: ignore[attr-defined]
        database = Database(url)
        rows = written(database, range(10))
        mine = next(iter(rows))
        held, may_end, read = threading.Event(), threading.Event(), list[bytes]()

        def unit(session: object) -> None:
            value = session.scalar(select(VehicleToken.sealed).where(VehicleToken.id == mine))  # type: ignore[attr-defined]
            held.set()
            may_end.wait(30)
            # A vault that has not seen the key: it is still in the database.
            reader = keyed("kek_2026_01")
            read.append(reader.decrypt(session, owner_of(rows[mine]), place_of(mine), value))  # type: ignore[arg-type]

        holder = threading.Thread(target=lambda: database.run(unit))

        def tell(step: str) -> None:
            if step == "sealing values again":  # The first wait is over.
                holder.start()
                held.wait(30)

        done = rotator(database, patience_s=0.2).run(tell)
        assert (done.is_over, done.destroyed, done.sealed[TOKENS]) == (False, 0, len(rows))
        may_end.set()
        holder.join()
        assert read == [expected(rows)[mine]]
        assert_over(database, rotator(database).run(), rows)
        database.close()


def test_every_column_of_bytes_is_looked_into() -> None:
    found = {one.name for one in sealed_columns(metadata())}
    unbounded = {
        f"{table.name}.{column.name}"
        for table in metadata().sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.type.length is None
    }
    assert {f"{table}.{column}" for table, column in NEVER_CHANGED} <= found
    missed = {name.partition(".")[0] for name in unbounded - found}
    assert missed == {"data_key", "idempotency_key", "import_staged", "limit_state", "walk_cell"}, (
        "of several ids"
    )
    for known in (
        TOKENS,
        "vehicle_connect.code",
        "roaming_peer.sealed_token",
        "user_contact.sealed",
        "factor_totp.sealed",
    ):
        assert known in found
