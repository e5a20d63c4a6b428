"""Replaces data keys while everybody reads and writes: new keys, everything sealed again, old keys destroyed.

Two waits make it safe on PostgreSQL, where a transaction may hold what another has just replaced:
after the new keys are there, for whoever may still be writing under an old one; after everything is
sealed again, for whoever may still hold bytes that an old one opens. SQLite has one writer at a time,
and its readers see one state, key and value together.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import LargeBinary, Table, func, or_, select, text, update

from nerava.kernel.errors import NeravaError
from nerava.platform import key_rotation_store
from nerava.platform.vault import ID_BYTES, VERSION, KeyDestroyed, Place
from nerava.platform.vault_store import DataKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Column, ColumnElement, MetaData
    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault

HEAD: Final = len(VERSION) + ID_BYTES
NEVER_CHANGED: Final = frozenset({("audit_entry", "diff_ciphertext")})
"""A hash chain covers these bytes, so they are never sealed again; their keys stay."""

PASSES_MAX: Final = 20
"""Rows that somebody holds are left for the next pass; nobody holds one for twenty of them."""

LOOKED_EVERY_S: Final = 0.05

_OPEN: Final = text("""
SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.granted
  AND l.pid <> pg_backend_pid() AND a.datname = current_database()""")


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column that may hold sealed values."""

    table: Table
    column: Column[bytes]

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.table.name}.{self.column.name}"

    @property
    def row_id(self) -> Column[UUID]:
        """What names its row in the place of a sealed value."""
        (key,) = self.table.primary_key.columns
        return key


@dataclass(slots=True)
class Rotated:
    """What a rotation did, or would do.

    Attributes:
        began_at: Keys from before are replaced.
        goes_on: An earlier run had begun it.
        wrapped: Data keys wrapped anew under the newest key-encryption key.
        renewed: Owners with a new key.
        sealed: By column, values sealed again.
        unreadable: Values that do not open; they and their keys are left as they are.
        destroyed: Old keys that are gone.
        kept: Old keys under which something is left: what a hash chain covers, or does not open.
        is_over: Whether all of it was done; else the same command goes on.
    """

    began_at: datetime
    goes_on: bool = False
    wrapped: int = 0
    renewed: int = 0
    sealed: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    destroyed: int = 0
    kept: int = 0
    is_over: bool = False


class KeyRotator:
    """Rotates the keys of one database. Any number of these may run at once, and die anywhere."""

    def __init__(  # noqa: PLR0917 - what it works with
        self, database: Database, vault: Vault, tables: MetaData, clock: Clock, batch: int, patience_s: float
    ) -> None:
        """Prepare to look into every column of bytes in `tables`; nothing is read yet.

        A transaction changes `batch` rows or keys at most. Transactions of others are waited for
        `patience_s` seconds, twice.
        """
        self._database = database
        self._vault = vault
        self._columns = list(sealed_columns(tables))
        self._fixed = [one for one in self._columns if _is_fixed(one)]
        self._clock = clock
        self._batch = batch
        self._patience_s = patience_s

    def plan(self) -> Rotated:
        """Return what `run` would do now; nothing is changed."""
        now = self._clock.now()
        found = self._database.read(key_rotation_store.interrupted)
        plan = Rotated(found or now, goes_on=found is not None)
        plan.renewed = self._database.read(lambda session: _count(session, _due(plan.began_at)), patient=True)
        old = self._database.read(
            lambda session: _ids(session, or_(_due(plan.began_at), _REPLACED)), patient=True
        )
        fixed = self._used(self._fixed, old)
        for one in self._columns:
            if one not in self._fixed:
                plan.sealed[one.name] = sum(len(ids) for ids in self._found(one, old))
        plan.kept = len(fixed)
        plan.destroyed = len(old) - len(fixed)
        return plan

    def run(self, tell: Callable[[str], None] = lambda _step: None) -> Rotated:
        """Do all of it; what was done before is not done again. Tells each step as it begins.

        Raises:
            SecretMissing: There is no key-encryption key (503).
            Unreadable: A data key is wrapped by a key-encryption key that is not configured (503).
        """
        now = self._clock.now()
        began_at, goes_on = self._database.run(
            lambda session: key_rotation_store.begin(session, now), repeatable=True
        )
        done = Rotated(began_at, goes_on)
        tell("wrapping data keys under the newest key")
        while count := self._database.run(lambda session: self._vault.rewrap(session, self._batch)):
            done.wrapped += count
        tell("making new data keys")
        self._renew(done)
        old = self._database.read(lambda session: _ids(session, _REPLACED), patient=True)
        tell("waiting for transactions that began before")
        if not self._others_are_over():
            return done
        tell("sealing values again")
        if not self._seal(done, old):
            return done
        tell("waiting for transactions that began before")
        if not self._others_are_over():
            return done
        tell("destroying old data keys")
        self._destroy(done, old)
        self._database.run(
            lambda session: key_rotation_store.end(session, began_at, self._clock.now()), repeatable=True
        )
        done.is_over = True
        return done

    def _renew(self, done: Rotated) -> None:
        def some(after: UUID | None) -> list[tuple[UUID, str]]:
            query = select(DataKey.id, DataKey.owner).where(_due(done.began_at)).order_by(DataKey.id)
            query = query if after is None else query.where(DataKey.id > after)
            page = query.limit(self._batch)
            return self._database.read(
                lambda session: [(one, owner) for one, owner in session.execute(page)], patient=True
            )

        def renew(session: Session, owners: Sequence[str]) -> int:
            return sum(self._renewed(session, owner, done.began_at) for owner in owners)

        last: UUID | None = None
        while found := some(last):
            owners = [owner for _, owner in found]
            done.renewed += self._database.run(lambda session: renew(session, owners), repeatable=True)  # noqa: B023 - called at once
            last = found[-1][0]

    def _renewed(self, session: Session, owner: str, began_at: datetime) -> bool:
        """Give one owner a new key; not if another rotator has, or if the owner is erased."""
        mine = select(DataKey.id).where(DataKey.owner == owner, _due(began_at)).with_for_update()
        if session.scalar(mine) is None:
            return False
        try:
            self._vault.renew(session, owner, self._clock.now())
        except KeyDestroyed:
            return False
        return True

    def _seal(self, done: Rotated, old: set[bytes]) -> bool:
        """Seal everything again that is under an old key; False when others never let go of a row."""
        for one in self._columns:
            if one in self._fixed:
                continue
            unreadable = 0
            for _ in range(PASSES_MAX):
                unreadable, held = 0, 0
                for ids in self._found(one, old):
                    sealed, broken = self._database.run(
                        lambda session: self._sealed_again(session, one, ids, old),  # noqa: B023 - called at once
                        repeatable=True,
                    )
                    done.sealed[one.name] = done.sealed.get(one.name, 0) + sealed
                    unreadable += broken
                    held += len(ids) - sealed - broken
                if not held:
                    break
                time.sleep(LOOKED_EVERY_S)
            else:
                return False
            done.unreadable += unreadable
        return True

    def _sealed_again(
        self, session: Session, one: SealedColumn, ids: Sequence[UUID], old: set[bytes]
    ) -> tuple[int, int]:
        mine = select(one.row_id, one.column).where(one.row_id.in_(ids)).order_by(one.row_id)
        sealed = broken = 0
        # Whoever holds a row goes on; it is looked at again in the next pass.
        for row_id, value in session.execute(mine.with_for_update(skip_locked=True)).all():
            if not _is_under(value, old):
                sealed += 1  # Somebody wrote it meanwhile, under the new key, or wiped it.
                continue
            place = Place(one.table.name, one.column.name, row_id)
            owner = session.scalar(select(DataKey.owner).where(DataKey.id == UUID(bytes=value[1:HEAD])))
            try:
                plain = self._vault.decrypt(session, owner or "", place, value)
                again = self._vault.encrypt(session, owner or "", place, plain, self._clock.now())
            except KeyDestroyed:
                sealed += 1  # The owner was erased meanwhile.
                continue
            except NeravaError:
                broken += 1
                continue
            session.execute(
                update(one.table).where(one.row_id == row_id, one.column == value).values({one.column: again})
            )
            sealed += 1
        return sealed, broken

    def _destroy(self, done: Rotated, old: set[bytes]) -> None:
        used = self._used(self._columns, old)
        done.kept = len(used)
        free = [UUID(bytes=one) for one in sorted(old - used)]
        for at in range(0, len(free), self._batch):
            part = free[at : at + self._batch]
            gone = (
                update(DataKey)
                .where(DataKey.id.in_(part), _REPLACED)
                .values(wrapped=None, destroyed_at=self._clock.now())
                .returning(DataKey.id)
            )
            done.destroyed += len(
                self._database.run(lambda session: session.execute(gone).all(), repeatable=True)  # noqa: B023 - called at once
            )

    def _used(self, columns: Sequence[SealedColumn], old: set[bytes]) -> set[bytes]:
        """Return the old keys that something in these columns is still sealed under."""
        return {key for one in columns for _, key in self._heads(one) if key in old}

    def _found(self, one: SealedColumn, old: set[bytes]) -> Iterator[list[UUID]]:
        """Yield the rows of a column that are sealed under an old key, a batch at a time."""
        found: list[UUID] = []
        for row_id, key in self._heads(one):
            if key in old:
                found.append(row_id)
            if len(found) == self._batch:
                yield found
                found = []
        if found:
            yield found

    def _heads(self, one: SealedColumn) -> Iterator[tuple[UUID, bytes]]:
        """Yield the id of every row and the key it is sealed under; nothing is held open in between."""
        head = func.substr(one.column, 1, HEAD)
        page = (
            select(one.row_id, head)
            .where(one.column.is_not(None))
            .order_by(one.row_id)
            .limit(self._batch * 10)
        )
        last: UUID | None = None
        while True:
            query = page if last is None else page.where(one.row_id > last)
            rows = self._database.read(lambda session: session.execute(query).all(), patient=True)  # noqa: B023 - called at once
            for row_id, seen in rows:
                if len(seen) == HEAD and seen[: len(VERSION)] == VERSION:
                    yield row_id, bytes(seen[len(VERSION) :])
            if not rows:
                return
            last = rows[-1][0]

    def _others_are_over(self) -> bool:
        """Wait until every transaction is over that is open now; False when one is not in time."""
        if self._database.is_sqlite:
            return True
        until = time.monotonic() + self._patience_s
        waited_for = self._open()
        while waited_for and time.monotonic() < until:
            time.sleep(LOOKED_EVERY_S)
            waited_for &= self._open()
        return not waited_for

    def _open(self) -> set[str]:
        return set(self._database.read(lambda session: session.scalars(_OPEN).all()))


def sealed_columns(tables: MetaData) -> Iterator[SealedColumn]:
    """Yield every column that may hold sealed values: bytes of any length in a table with one id."""
    for table in tables.sorted_tables:
        if len(table.primary_key.columns) != 1 or table.name == DataKey.__tablename__:
            continue
        for column in table.columns:
            if isinstance(column.type, LargeBinary) and column.type.length is None:
                yield SealedColumn(table, column)


def _is_fixed(one: SealedColumn) -> bool:
    return (one.table.name, one.column.name) in NEVER_CHANGED


def _is_under(value: bytes | None, old: set[bytes]) -> bool:
    return value is not None and value[: len(VERSION)] == VERSION and bytes(value[len(VERSION) : HEAD]) in old


_REPLACED: Final = DataKey.retired_at.is_not(None) & DataKey.wrapped.is_not(None)


def _due(began_at: datetime) -> ColumnElement[bool]:
    return (DataKey.created_at < began_at) & DataKey.retired_at.is_(None) & DataKey.wrapped.is_not(None)


def _count(session: Session, which: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(DataKey).where(which)) or 0


def _ids(session: Session, which: ColumnElement[bool]) -> set[bytes]:
    return {one.bytes for one in session.scalars(select(DataKey.id).where(which))}
