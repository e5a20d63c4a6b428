"""Larger harm to the books than one value: rows gone, the tail gone, names swapped, history rewritten."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import delete, select, update

from nerava.ledger import model
from nerava.ledger import verify as proof
from nerava.ledger.hashing import batch_hash, block_hash, row_digest
from tests.chaos.tampering import Tampering, change_one_value, columns, is_row, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random
    from uuid import UUID

    from sqlalchemy import Connection, Row, Table

Forgery: TypeAlias = "Callable[[Connection, Random], Tampering | None]"
"""Does harm as the owner; None when no row lets itself be harmed that way."""

LOSSES: Final = (
    model.account,
    model.asset,
    model.balance,
    model.batch,
    model.block,
    model.lot,
    model.lot_use,
    model.open_hold,
    model.transfer,
    model.unsealed,
)
"""Tables of which one missing row is seen. A missing seal is not: its copy outside is what counts."""


def lose_a_row(connection: Connection, rng: Random, table: Table) -> Tampering | None:
    """Delete one row of a table."""
    rows = connection.execute(select(table)).all()
    row = rng.choice(rows)
    connection.execute(delete(table).where(is_row(table, row)))
    return Tampering(f"a row of {table.name} gone: {row!r}", names_of(connection, row._asdict()))


def swap_names(connection: Connection, rng: Random) -> Tampering | None:
    """Give two drivers each other's account."""
    account = model.account.c
    drivers = connection.execute(select(account.id, account.code).where(account.kind == "driver_nova")).all()
    first, second = rng.sample(drivers, 2)
    for where, code in ((first.id, "swapped"), (second.id, first.code), (first.id, second.code)):
        connection.execute(update(model.account).where(account.id == where).values(code=code))
    return Tampering(f"{first.code} and {second.code} swapped", frozenset({first.code, second.code}))


def cut_the_tail(connection: Connection, rng: Random) -> Tampering | None:
    """Delete the last batches with everything that belongs to them, their blocks included."""
    batch, transfer = model.batch.c, model.transfer.c
    newest = select(batch.id).order_by(batch.id.desc()).limit(rng.randint(5, 20))
    gone = connection.execute(newest).scalars().all()
    keys = connection.execute(select(transfer.key).where(transfer.batch_id.in_(gone))).scalars().all()
    head = _blocks(connection)[-1]
    for table, column, values in (
        (model.lot_use, "key", keys),
        (model.lot, "key", keys),
        (model.open_hold, "key", keys),
        (model.transfer, "key", keys),
        (model.block, "batch_id", gone),
        (model.unsealed, "batch_id", gone),
        (model.batch, "id", gone),
    ):
        connection.execute(delete(table).where(table.c[column].in_(values)))
    return Tampering(f"the last {len(gone)} batches gone", frozenset({f"{head.lane}/{head.height}"}))


def rewrite_history(connection: Connection, rng: Random) -> Tampering | None:
    """Blame somebody else for a transfer, make every hash above it right again, and drop the seals.

    Nothing inside the database can tell; only an anchor that was kept outside does.
    """
    blocks = _blocks(connection)
    chosen = rng.choice(blocks[: len(blocks) // 2])
    content = _blame_somebody_else(connection, chosen.batch_id)
    previous = chosen.previous_hash
    for row in blocks[chosen.height - 1 :]:
        if row.height > chosen.height:
            content = connection.execute(
                select(model.batch.c.content_hash).where(model.batch.c.id == row.batch_id)
            ).scalar_one()
        current = block_hash(row.lane, row.height, previous, str(row.batch_id), content)
        changed = {"previous_hash": previous, "hash": current}
        connection.execute(update(model.block).where(is_row(model.block, row)).values(changed))
        previous = current
    connection.execute(delete(model.seal))
    head = blocks[-1]
    return Tampering(f"history rewritten from {chosen.height}", frozenset({f"{head.lane}/{head.height}"}))


def _blocks(connection: Connection) -> Sequence[Row[Any]]:
    return connection.execute(select(model.block).order_by(model.block.c.height)).all()


def _blame_somebody_else(connection: Connection, batch_id: UUID) -> bytes:
    transfer, lot, use = model.transfer.c, model.lot.c, model.lot_use.c
    mine = transfer.batch_id == batch_id
    connection.execute(update(model.transfer).where(mine).values(actor="somebody-else"))
    digests = []
    for row in connection.execute(select(model.transfer).where(mine).order_by(transfer.id)).all():
        lots = connection.execute(select(model.lot).where(lot.key == row.key).order_by(lot.id)).all()
        uses = connection.execute(select(model.lot_use).where(use.key == row.key).order_by(use.id)).all()
        fields = [
            *proof._transfer_fields(row),  # noqa: SLF001 - a forger knows the code
            [proof._lot_fields(one) for one in lots],  # noqa: SLF001
            [proof._use_fields(one) for one in uses],  # noqa: SLF001
        ]
        digests.append(row_digest(fields))
        connection.execute(update(model.transfer).where(transfer.id == row.id).values(digest=digests[-1]))
    batch = connection.execute(select(model.batch).where(model.batch.c.id == batch_id)).one()
    content = batch_hash(batch.lane, batch.posted_at, digests)
    connection.execute(update(model.batch).where(model.batch.c.id == batch_id).values(content_hash=content))
    return content


ALL: Final[dict[str, Forgery]] = {
    "the tail cut off": cut_the_tail,
    "history rewritten": rewrite_history,
    "two names swapped": swap_names,
    **{f"a row of {table.name} gone": partial(lose_a_row, table=table) for table in LOSSES},
    **{
        f"one value of {column.table.name}.{column.name} changed": partial(change_one_value, column=column)
        for column in columns()
    },
}
"""Every forgery by name; those that everybody thinks of first come first."""

OFTEN: Final = (
    "the tail cut off",
    "history rewritten",
    "two names swapped",
    "a row of ledger_transfer gone",
    "a row of ledger_block gone",
    "one value of ledger_transfer.amount changed",
    "one value of ledger_transfer.actor changed",
    "one value of ledger_transfer.posted_at changed",
    "one value of ledger_transfer.metadata changed",
    "one value of ledger_lot.granted changed",
    "one value of ledger_lot_use.amount changed",
    "one value of ledger_batch.content_hash changed",
    "one value of ledger_block.hash changed",
)
"""What is always tried."""
