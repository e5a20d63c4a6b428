"""What `decide` writes: every part of a row, the balances it leaves, and the digest over all of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from nerava.ledger.accounts import account_id
from nerava.ledger.decide import OpenHold
from nerava.ledger.lots import LotUse
from nerava.ledger.values import (
    LotTerms,
    PostedTransfer,
    Status,
    Transfer,
    capture,
    expire,
    hold,
    release,
    transfer,
)
from tests.ledger.decide_desk import HOUR, NOON, Desk, digest_of

WORLD, SHOP, ANN, DEB = map(account_id, ("world", "shop", "ann", "deb"))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def posted(desk: Desk, *transfers: Transfer, now: datetime = NOON) -> tuple[PostedTransfer, ...]:
    (verdict,) = desk.decide(desk.chain(*transfers), now=now).verdicts
    assert verdict.status is Status.POSTED
    return verdict.transfers


def test_a_row_says_everything_about_its_movement(desk: Desk) -> None:
    east = timezone(timedelta(hours=9))
    asked = desk.chain(
        transfer("world", "shop", 30),
        hold("shop", "world", 7, expires_at=(NOON + HOUR).astimezone(east)),
        effective_at=(NOON - HOUR).astimezone(east),
        actor="job:night",
        metadata={"z": "ü", "a": [1, None]},
    )
    decided = desk.decide(asked)
    first, second = decided.transfers
    metadata = '{"a":[1,null],"z":"ü"}'
    shared = (asked.fingerprint(), "id-001")
    around = (NOON - HOUR, NOON, "main", "batch", "job:night", metadata)

    assert first[:-1] == (
        "id-001",
        str(asked.key),
        *shared,
        0,
        "move",
        "direct",
        WORLD,
        SHOP,
        "NOVA",
        30,
        None,
        None,
        1,
        1,
        -30,
        -30,
        80,
        80,
        *around,
    )
    assert second[:-1] == (
        "id-002",
        str(asked.key_of(1)),
        *shared,
        1,
        "move",
        "hold",
        SHOP,
        WORLD,
        "NOVA",
        7,
        None,
        NOON + HOUR,
        2,
        2,
        80,
        73,
        -30,
        -30,
        *around,
    )
    assert [row.digest for row in (first, second)] == [digest_of(row, [], []) for row in (first, second)]
    assert decided.opened == [
        OpenHold("id-002", str(asked.key_of(1)), SHOP, WORLD, "NOVA", 7, NOON + HOUR, "main")
    ]
    assert decided.closed == []
    assert (desk.counters("world"), desk.counters("shop")) == ((30, 0, 0, 7, 2), (0, 80, 7, 0, 2))
    touched = {one.id for one in desk.state.accounts.values() if one.touched}
    assert touched == {WORLD, SHOP}


def test_what_moves_is_added_to_what_moved_before(desk: Desk) -> None:
    for amount in (3, 4):
        posted(desk, transfer("world", "shop", amount), hold("world", "shop", 10 * amount, expires_at=None))

    assert desk.counters("world") == (7, 0, 70, 0, 4)
    assert desk.counters("shop") == (0, 57, 0, 70, 4)


@pytest.mark.parametrize(
    ("way", "amount", "shop", "world"),
    [
        (capture, 10, (14, 54, 0, 0, 1), (3, 14, 0, 0, 1)),
        (lambda key: capture(key, 6), 6, (10, 54, 0, 0, 1), (3, 10, 0, 0, 1)),
        (release, 10, (4, 54, 0, 0, 1), (3, 4, 0, 0, 1)),
        (expire, 10, (4, 54, 0, 0, 1), (3, 4, 0, 0, 1)),
    ],
    ids=["all captured", "a part captured", "released", "expired"],
)
def test_a_resolution_moves_what_it_takes_and_gives_the_rest_back(
    desk: Desk, way: object, amount: int, shop: tuple[int, ...], world: tuple[int, ...]
) -> None:
    desk.account("shop").credits_posted, desk.account("shop").debits_posted = 54, 4
    desk.account("world").credits_posted, desk.account("world").debits_posted = 4, 3
    key = desk.lay("shop", "world", 10, expires_at=NOON + HOUR)
    asked = way(key)  # type: ignore[operator]

    (row,) = posted(desk, asked, now=NOON + HOUR if asked == expire(key) else NOON)

    assert (row.kind, row.amount, row.hold_id) == (asked.kind.value, amount, f"row of {key}")
    assert (row.debit, row.credit, row.asset, row.expires_at) == (SHOP, WORLD, "NOVA", None)
    assert (row.debit_posted, row.debit_available) == (shop[1] - shop[0],) * 2
    assert (row.credit_posted, row.credit_available) == (world[1] - world[0],) * 2
    assert (desk.counters("shop"), desk.counters("world")) == (shop, world)
    assert row.digest == digest_of(row, [], [])


def test_a_batch_tells_which_older_holds_it_closed_and_which_new_ones_are_open(desk: Desk) -> None:
    older = desk.lay("shop", "world", 10)
    opened, passing = (desk.chain(hold("world", "shop", 5, expires_at=None)) for _ in range(2))

    decided = desk.decide(desk.chain(release(older)), opened, passing, desk.chain(capture(passing.key, 2)))

    assert [one.ok for one in decided.verdicts] == [True] * 4
    assert decided.closed == [f"row of {older}"]
    assert [one.key for one in decided.opened] == [str(opened.key)]
    assert decided.transfers == [row for one in decided.verdicts for row in one.transfers]
    assert decided.transfers[3].hold_id == decided.transfers[2].id


# Time.


@pytest.mark.parametrize("ahead", ["world", "shop"])
def test_time_never_runs_backwards_along_an_account(desk: Desk, ahead: str) -> None:
    desk.account(ahead).last_posted_at = NOON + HOUR
    late, on_time = posted(desk, transfer("world", "shop", 1), transfer("deb", "ann", 1))

    assert (late.posted_at, late.effective_at) == (NOON + HOUR, NOON + HOUR)
    assert (on_time.posted_at, on_time.effective_at) == (NOON, NOON)
    assert late.digest == digest_of(late, [], [])
    assert desk.account("world").last_posted_at == desk.account("shop").last_posted_at == NOON + HOUR
    (next_day,) = posted(desk, transfer("world", "shop", 1), now=NOON + 24 * HOUR)
    assert next_day.posted_at == NOON + 24 * HOUR


def test_an_hour_that_a_clock_shows_twice_is_written_as_two(desk: Desk) -> None:
    # To Python the two are equal and hash alike, so nothing may be remembered by such an instant.
    before = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    for shown in (before, before.replace(fold=1)):
        (row,) = desk.decide(
            desk.chain(hold("world", "shop", 1, expires_at=shown), effective_at=shown)
        ).transfers
        assert row.effective_at.astimezone(UTC).hour == shown.fold
        assert row.digest == digest_of(row, [], [])


# Lots.


def test_a_row_is_signed_together_with_the_lots_it_made_and_used(desk: Desk) -> None:
    terms = LotTerms("campaign:1", NOON + HOUR)
    (grant,) = posted(desk, transfer("world", "ann", 9, lot=terms))
    asked = desk.chain(transfer("ann", "deb", 4))
    (spend,) = desk.decide(asked).transfers
    (back,) = posted(desk, transfer("deb", "ann", 3, restores=asked.key))
    lot, other, again = desk.state.shelf.created
    took, gave = desk.state.shelf.uses

    ends = "2026-03-01T13:00:00.000000+00:00"
    assert grant.digest == digest_of(grant, [[lot.id, ANN, 9, "campaign:1", ends, None]], [])
    made = [[other.id, DEB, 4, "move", None, None]]
    assert spend.digest == digest_of(spend, made, [[took.id, lot.id, 4]])
    made = [[again.id, ANN, 3, "campaign:1", ends, took.id]]
    assert back.digest == digest_of(back, made, [[gave.id, other.id, 3]])
    assert (took, gave) == (LotUse(took.id, lot.id, spend.key, 4), LotUse(gave.id, other.id, back.key, 3))
    assert [one.key for one in (lot, other, again)] == [grant.key, spend.key, back.key]
    assert (
        len({row.id for row in (grant, spend, back)} | {one.id for one in (lot, other, again, took, gave)})
        == 8
    )


@pytest.mark.parametrize("captured", [False, True])
def test_a_credit_pays_the_debt_first_and_only_the_debt(desk: Desk, captured: bool) -> None:
    posted(desk, transfer("deb", "world", 20))
    terms = LotTerms("campaign:1")
    if captured:
        key = desk.lay("world", "deb", 30)
        (row,) = posted(desk, capture(key, lot=terms))
    else:
        (row,) = posted(desk, transfer("world", "deb", 30, lot=terms))
    (lot,), (use,) = desk.state.shelf.created, desk.state.shelf.uses

    assert (lot.granted, lot.remaining, lot.source) == (30, 10, "campaign:1")
    assert use == LotUse(use.id, lot.id, row.key, 20)
    assert row.digest == digest_of(row, [[lot.id, DEB, 30, "campaign:1", None, None]], [[use.id, lot.id, 20]])
    posted(desk, transfer("world", "deb", 5, lot=terms))
    assert [one.remaining for one in desk.state.shelf.created] == [10, 5]


def test_the_lots_that_are_named_go_before_those_that_end_sooner(desk: Desk) -> None:
    soon = desk.chain(transfer("world", "ann", 5, lot=LotTerms("soon", NOON + HOUR)))
    late = desk.chain(transfer("world", "ann", 5, lot=LotTerms("late")))
    desk.decide(soon, late)

    posted(desk, transfer("ann", "world", 4, lot_of=late.key))
    assert [one.remaining for one in desk.state.shelf.created] == [5, 1]
    posted(desk, transfer("ann", "world", 2))
    assert [one.remaining for one in desk.state.shelf.created] == [3, 1]


def test_holds_and_what_gives_them_back_leave_lots_alone(desk: Desk) -> None:
    posted(desk, transfer("world", "ann", 9))
    held = [desk.chain(hold("ann", "deb", 3, expires_at=NOON)) for _ in range(3)]
    desk.decide(*held, now=NOON - HOUR)
    posted(desk, release(held[0].key))
    posted(desk, expire(held[1].key))

    assert [one.remaining for one in desk.state.shelf.created] == [9]
    assert desk.state.shelf.uses == []
    desk.decide(desk.chain(capture(held[2].key)), now=NOON - HOUR)
    assert [one.remaining for one in desk.state.shelf.created] == [6, 3]


def test_every_transfer_of_a_chain_has_the_id_of_its_transaction_and_one_of_its_own(desk: Desk) -> None:
    rows = posted(desk, *(transfer("world", "shop", 1) for _ in range(3)))

    assert [row.id for row in rows] == ["id-001", "id-002", "id-003"]
    assert {row.transaction_id for row in rows} == {"id-001"}
    assert [row.position for row in rows] == [0, 1, 2]
    assert len({UUID(row.key) for row in rows}) == 3
