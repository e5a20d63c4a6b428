"""The hash chain: it grows with every batch, a day is sealed once, and every tampering breaks it."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import Engine, create_engine, event, func, select, text
from sqlalchemy.orm import Session

from nerava.kernel.clock import SystemClock
from nerava.ledger import Ledger, LotTerms, chain, hold, model, transfer, verify
from nerava.ledger.findings import Finding
from nerava.ledger.hashing import GENESIS, block_hash
from nerava.ledger.sealing import Anchor, anchors, head, seal_batches, seal_day
from nerava.ledger.verify import verify as prove
from nerava.platform.db import Database
from tests.chaos.tampering import drop_every_guard
from tests.helpers.financial_helpers import Books
from tests.helpers.parallel import in_parallel
from tests.ledger.houses import DAY, NOON, House, kept_database

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    """A small house in which some things happened."""
    opened = busy_house(database)
    yield opened
    opened.ledger.close()


def busy_house(database: Database) -> House:
    """Return a house with five batches in two lanes, lots and a hold among them."""
    opened = House(database)
    opened.must(
        chain("d:1", transfer("bank", "till", 5), transfer("till", "bank", 1), metadata={"note": "ü"}),
        chain("grant", transfer("mint", "alice", 9, lot=LotTerms("x", NOON + DAY))),
        chain("spend", transfer("alice", "shop", 4)),
        chain("h", hold("till", "bank", 2, expires_at=NOON + DAY)),
        chain("n:1", transfer("north-bank", "north-till", 5), lane="north"),
    )
    return opened


def proof(house: House, *kept: Anchor) -> list[Finding]:
    return house.database.read(lambda session: prove(session, kept))


def seal(house: House, limit: int = 2_000) -> int:
    return house.database.run(lambda session: seal_batches(session, limit=limit))


def blocks(house: House, lane: str = "main") -> list[Any]:
    return house.rows(select(model.block).where(model.block.c.lane == lane).order_by(model.block.c.height))


def test_every_batch_becomes_one_block_that_names_the_one_before(house: House) -> None:
    assert seal(house) == 5
    assert seal(house) == 0

    chained = blocks(house)
    assert [one.height for one in chained] == [1, 2, 3, 4]
    assert [one.previous_hash for one in chained] == [GENESIS, *(one.hash for one in chained[:-1])]
    assert [one.height for one in blocks(house, "north")] == [1]
    assert house.rows(select(model.unsealed)) == []
    content = {row.id: row.content_hash for row in house.rows(select(model.batch))}
    for one in chained:
        expected = block_hash("main", one.height, one.previous_hash, str(one.batch_id), content[one.batch_id])
        assert one.hash == expected
    assert proof(house) == []


def test_the_chain_goes_on_where_it_stood(house: House) -> None:
    seal(house)
    before = house.database.read(lambda session: head(session, "main"))
    house.must(chain("d:2", transfer("bank", "till", 5)))

    assert house.ledger.seal() == 1

    (*_, last) = blocks(house)
    assert (last.height, last.previous_hash) == (before[0] + 1, before[1])
    assert house.database.read(lambda session: head(session, "south")) == (0, GENESIS)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_sealer_links_no_more_than_it_is_told(house: House, limit: int) -> None:
    steps = []
    while linked := seal(house, limit):
        steps.append(linked)

    assert sum(steps) == 5
    assert max(steps) <= limit
    assert proof(house) == []


def test_what_waits_to_be_linked_is_no_break(house: House) -> None:
    assert proof(house) == []
    assert house.rows(select(func.count(model.unsealed.c.batch_id)))[0][0] == 5


def test_sealers_that_run_at_once_link_every_batch_once(house: House) -> None:
    for number in range(30):
        house.must(chain(f"more:{number}", transfer("bank", "till", 1)))

    def work(index: int) -> int:
        if index % 4 == 0:  # Posting goes on meanwhile.
            house.must(chain(f"meanwhile:{index}", transfer("bank", "till", 1)))
        linked = 0
        for _ in range(5):
            linked += seal(house, limit=9)
        return linked

    linked = sum(in_parallel(8, work)) + seal(house)

    assert linked == 5 + 30 + 2
    assert [one.height for one in blocks(house)] == list(range(1, linked))
    assert proof(house) == []


def test_a_day_is_sealed_once_for_every_lane(house: House) -> None:
    first = house.database.run(lambda session: seal_day(session, NOON))
    again = house.database.run(lambda session: seal_day(session, NOON + timedelta(hours=11)))

    assert [(one.lane, one.height, one.transfers) for one in first] == [("main", 4, 5), ("north", 1, 1)]
    assert again == []
    assert {row.day for row in house.rows(select(model.seal))} == {"2026-03-01"}
    assert first == house.database.read(anchors)

    house.must(chain("d:2", transfer("bank", "till", 5)))
    (main, north) = house.database.run(lambda session: seal_day(session, NOON + DAY))
    assert (main.height, main.transfers) == (5, 6)
    assert (north.height, north.hash) == (1, first[1].hash)
    assert proof(house) == []


def test_the_day_of_a_seal_is_that_of_utc(house: House) -> None:
    tokyo = (NOON + timedelta(hours=8)).astimezone(timezone(timedelta(hours=9)))
    assert tokyo.day == 2

    house.database.run(lambda session: seal_day(session, tokyo))

    assert {row.day for row in house.rows(select(model.seal))} == {"2026-03-01"}
    assert proof(house) == []


def test_a_ledger_without_postings_has_nothing_to_seal(database: Database) -> None:
    assert database.run(lambda session: seal_day(session, NOON)) == []
    assert database.read(anchors) == []
    assert database.read(prove) == []


def test_days_sealed_at_once_are_sealed_once(house: House) -> None:
    written = in_parallel(8, lambda _: house.database.run(lambda session: seal_day(session, NOON)))

    assert sorted(len(one) for one in written) == [0] * 7 + [2]


def test_an_anchor_kept_outside_tells_a_cut_tail_and_a_rewritten_chain(house: House) -> None:
    seal(house)
    kept = house.database.read(anchors)
    assert proof(house, *kept) == []

    longer = Anchor("main", 9, kept[0].hash, 99)
    other = Anchor("main", 4, "ab" * 32, 5)
    strange = Anchor("south", 1, kept[0].hash, 1)
    assert [one.check for one in proof(house, longer, other, strange)] == [
        "anchor-differs",
        "tail-cut",
        "tail-cut",
    ]


def test_progress_is_told_while_history_is_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_PAGE", 2)
    told: list[int] = []

    house.database.read(lambda session: prove(session, on_progress=told.append))

    assert told == [2, 4, 6]


def test_lots_are_looked_at_a_page_at_a_time_however_many_there_are(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_PAGE", 2)
    asked: list[int] = []

    def listen(_connection: object, _cursor: object, said: str, given: Any, *_more: object) -> None:
        if "FROM ledger_lot" in said and "DISTINCT" not in said:
            asked.append(len(given))

    event.listen(Engine, "before_cursor_execute", listen)
    found = proof(house)
    event.remove(Engine, "before_cursor_execute", listen)

    assert found == []
    assert asked == [2, 2, 2, 2, 2, 2]  # The lots of two transfers, then their uses; there are six.


# Every tampering, by somebody who removed the guards first.

TAMPERINGS: Final[dict[str, tuple[str, str]]] = {
    "an amount": ("UPDATE ledger_transfer SET amount = amount + 1 WHERE position = 1", "row-digest"),
    "an actor": ("UPDATE ledger_transfer SET actor = 'x' WHERE position = 1", "row-digest"),
    "metadata": ("UPDATE ledger_transfer SET metadata = '{{}}' WHERE position = 1", "row-digest"),
    "a digest": ("UPDATE ledger_transfer SET digest = fingerprint WHERE position = 1", "row-digest"),
    "a deadline": ("UPDATE ledger_transfer SET expires_at = NULL WHERE kind = 'hold'", "row-digest"),
    "a transfer removed": ("DELETE FROM ledger_transfer WHERE position = 1", "batch-hash"),
    "a transfer moved": (
        "UPDATE ledger_transfer SET batch_id = (SELECT max(id{text}){uuid} FROM ledger_batch) WHERE position = 1",
        "batch-hash",
    ),
    "a batch removed": (
        "DELETE FROM ledger_batch WHERE id = (SELECT batch_id FROM ledger_transfer WHERE position = 1)",
        "batch-missing",
    ),
    "a batch emptied": (
        "DELETE FROM ledger_transfer WHERE lane = 'north'",
        "batch-empty",
    ),
    "a batch hash": ("UPDATE ledger_batch SET content_hash = {zeros} WHERE lane = 'north'", "batch-hash"),
    "a batch never linked": ("DELETE FROM ledger_block WHERE lane = 'north'", "batch-unlinked"),
    "a lot's source": ("UPDATE ledger_lot SET source = 'thief'", "row-digest"),
    "a lot without a transfer": (
        "UPDATE ledger_lot SET key = '00000000-0000-7000-8000-000000000000'",
        "lot-orphan",
    ),
    "a use's amount": ("UPDATE ledger_lot_use SET amount = 3", "row-digest"),
    "a use without a transfer": (
        "UPDATE ledger_lot_use SET key = '00000000-0000-7000-8000-000000000000'",
        "use-orphan",
    ),
    "a block's hash": ("UPDATE ledger_block SET hash = {zeros} WHERE height = 2", "block-hash"),
    "a block's link": ("UPDATE ledger_block SET previous_hash = {zeros} WHERE height = 2", "block-link"),
    "a block removed": ("DELETE FROM ledger_block WHERE height = 2", "block-link"),
    "a block of another batch": (
        "UPDATE ledger_block SET batch_id = '00000000-0000-7000-8000-000000000000' WHERE height = 2",
        "block-batch",
    ),
    "the end of the chain": (
        "DELETE FROM ledger_block WHERE lane = 'main' AND height = 4",
        "tail-cut",
    ),
    "a seal's hash": ("UPDATE ledger_seal SET hash = {zeros} WHERE lane = 'main'", "anchor-differs"),
    "a seal's count": ("UPDATE ledger_seal SET transfers = 4 WHERE lane = 'main'", "seal-differs"),
    "a seal's day": ("UPDATE ledger_seal SET day = '2026-02-28' WHERE lane = 'main'", "seal-differs"),
    "an account's name": ("UPDATE ledger_account SET code = 'thief' WHERE code = 'till'", "account-name"),
    "an account's kind": (
        "UPDATE ledger_account SET kind = 'external' WHERE code = 'platform:promo'",
        "account-kind",
    ),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def unguarded(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A sealed house without guards; each test takes its tampering back."""
    with kept_database(request, request.param) as url:
        with closing(Database(url)) as database:
            busy_house(database).ledger.close()
            with closing(Ledger(database, SystemClock())) as ledger:
                Books.opened(database, ledger)
            database.run(lambda session: seal_day(session, NOON))
            drop_every_guard(database)
        engine = create_engine(url)  # On SQLite it looks at no foreign key.
        yield engine
        engine.dispose()


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_is_found(unguarded: Engine, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_PAGE", 1)  # Batches and chains go on over the end of a page.
    statement, check = TAMPERINGS[name]
    lite = unguarded.dialect.name == "sqlite"
    spelt = statement.format(
        zeros="zeroblob(32)" if lite else "decode(repeat('00', 32), 'hex')",
        text="" if lite else "::text",
        uuid="" if lite else "::uuid",
    )
    with Session(unguarded) as session:
        assert prove(session) == []
        if not lite:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        assert session.connection().exec_driver_sql(spelt).rowcount > 0
        found = prove(session)

    assert check in {one.check for one in found}
