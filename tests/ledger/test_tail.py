"""The quick look at the end of the chain, as a process takes it before it serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Engine, delete, event, text, update

from nerava.ledger import chain, model, transfer
from nerava.ledger.findings import Finding
from nerava.ledger.sealing import seal_day
from nerava.ledger.verify import TAIL_BLOCKS, verify_tail
from nerava.platform.db import Database
from tests.chaos.tampering import as_owner, drop_every_guard
from tests.ledger.houses import NOON, House
from tests.ledger.test_sealing import busy_house, seal


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    """A house with four blocks in one lane and one in another, all under a seal."""
    opened = busy_house(database)
    database.run(lambda session: seal_day(session, NOON))
    yield opened
    opened.ledger.close()


def tail(house: House, blocks: int = TAIL_BLOCKS) -> list[Finding]:
    return house.database.read(lambda session: verify_tail(session, blocks))


def tamper(house: House, *orders: Any) -> None:
    drop_every_guard(house.database)
    for order in orders:
        house.database.run(lambda session, order=order: session.execute(order))


def test_whole_books_have_a_whole_end(house: House) -> None:
    assert tail(house) == []
    house.must(chain("d:2", transfer("bank", "till", 5)))  # What waits to be linked is no break.
    assert tail(house) == []
    seal(house)
    assert tail(house) == []


def test_an_end_that_no_day_has_sealed_yet_is_whole(database: Database) -> None:
    opened = busy_house(database)
    seal(opened)
    assert database.read(verify_tail) == []
    opened.ledger.close()


def test_empty_books_have_no_end(database: Database) -> None:
    assert database.read(verify_tail) == []


_LAST: Final = (model.block.c.lane == "main") & (model.block.c.height == 4)
_BATCH: Final = (
    text("SELECT batch_id FROM ledger_block WHERE lane = 'main' AND height = 4")
    .columns(model.block.c.batch_id)
    .scalar_subquery()
)


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        ([update(model.block).where(_LAST).values(hash=bytes(32))], {"block-hash", "seal-differs"}),
        ([update(model.block).where(_LAST).values(previous_hash=bytes(32))], {"block-link", "block-hash"}),
        ([delete(model.block).where(_LAST)], {"seal-differs"}),
        (
            [update(model.transfer).where(model.transfer.c.batch_id == _BATCH).values(amount=3)],
            {"row-digest"},
        ),
        (
            [update(model.transfer).where(model.transfer.c.batch_id == _BATCH).values(digest=bytes(32))],
            {"row-digest", "batch-hash"},
        ),
        (
            [update(model.batch).where(model.batch.c.id == _BATCH).values(content_hash=bytes(32))],
            {"block-hash", "batch-hash"},
        ),
    ],
    ids=["hash", "link", "cut", "amount", "digest", "content"],
)
def test_what_was_changed_at_the_end_is_found(house: House, orders: list[Any], told: set[str]) -> None:
    tamper(house, *orders)

    found = tail(house)

    assert {one.check for one in found} == told


def test_a_batch_that_its_owner_removed_is_missed(house: House) -> None:
    with as_owner(str(house.database.url)) as connection:
        connection.execute(delete(model.batch).where(model.batch.c.id == _BATCH))

    assert {one.check for one in tail(house)} == {"block-batch"}


def test_only_the_end_is_read_however_long_the_chain_is(house: House) -> None:
    for number in range(12):
        house.must(chain(f"more:{number}", transfer("bank", "till", 1)))
    seal(house)
    first = (model.block.c.lane == "main") & (model.block.c.height == 2)
    tamper(house, update(model.block).where(first).values(hash=bytes(32)))
    assert tail(house) == []
    assert {one.check for one in tail(house, 16)} == {"block-hash", "block-link"}

    def statements(blocks: int) -> int:
        told: list[Any] = []

        def listen(*arguments: Any) -> None:
            told.append(arguments)

        event.listen(Engine, "before_cursor_execute", listen)
        tail(house, blocks)
        event.remove(Engine, "before_cursor_execute", listen)
        return len(told)

    assert statements(1) < statements(5) < 60
