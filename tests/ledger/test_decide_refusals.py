"""Why `decide` refuses, at the very limit and one past it, and that a refused chain leaves nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nerava.kernel.ids import fact_id
from nerava.ledger.values import (
    AMOUNT_MAX,
    CHAIN_MAX,
    COUNTER_MAX,
    Chain,
    Kind,
    LotTerms,
    Status,
    Transfer,
    Verdict,
    capture,
    expire,
    hold,
    release,
    transfer,
    transfer_key,
)
from tests.ledger.decide_desk import HOUR, NOON, TICK, Desk

NO_AMOUNTS = [0, -1, True, 1.5, "1", AMOUNT_MAX + 1]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def kinds(debit: str, credit: str, amount: int) -> tuple[Transfer, Transfer]:
    return transfer(debit, credit, amount), hold(debit, credit, amount, expires_at=None)


def ways(key: Any) -> tuple[Transfer, Transfer, Transfer]:
    return capture(key), release(key), expire(key)


# One transfer.


@pytest.mark.parametrize(
    ("debit", "credit", "reason"),
    [
        ("world", "world", Status.SAME_ACCOUNT),
        ("nobody", "shop", Status.NO_ACCOUNT),
        ("world", "nobody", Status.NO_ACCOUNT),
        ("north", "shop", Status.WRONG_LANE),
        ("world", "north", Status.WRONG_LANE),
        ("north", "norther", Status.WRONG_LANE),
        ("mall", "shop", Status.CLOSED),
        ("world", "mall", Status.CLOSED),
        ("dollar", "shop", Status.ASSET_MISMATCH),
        ("world", "dollar", Status.ASSET_MISMATCH),
        ("ann", "shop", Status.INSUFFICIENT),
    ],
)
def test_a_movement_that_cannot_be_is_told_why(desk: Desk, debit: str, credit: str, reason: Status) -> None:
    desk.account("mall").closed = True

    assert [desk.post(one) for one in kinds(debit, credit, 1)] == [reason, reason]


@pytest.mark.parametrize("amount", NO_AMOUNTS)
def test_what_is_no_amount_is_refused(desk: Desk, amount: Any) -> None:
    key = desk.lay("world", "shop", AMOUNT_MAX)

    for one in (*kinds("world", "ann", amount), capture(key, amount)):
        assert desk.post(one) is Status.BAD_AMOUNT


@pytest.mark.parametrize("amount", [1, AMOUNT_MAX])
def test_the_smallest_and_the_largest_amount_are_amounts(desk: Desk, amount: int) -> None:
    key = desk.lay("world", "shop", AMOUNT_MAX)

    for one in (*kinds("world", "ann", amount), capture(key, amount)):
        assert desk.post(one) is Status.POSTED


def test_a_debit_may_reach_its_floor_and_no_further(desk: Desk) -> None:
    desk.lay("shop", "world", 10)

    assert [desk.post(one) for one in kinds("shop", "ann", 41)] == [Status.INSUFFICIENT] * 2
    assert desk.post(transfer("shop", "ann", 40)) is Status.POSTED
    assert [desk.post(one) for one in kinds("deb", "world", 51)] == [Status.INSUFFICIENT] * 2
    assert desk.post(transfer("deb", "world", 50)) is Status.POSTED


def test_a_credit_may_reach_its_ceiling_and_no_further(desk: Desk) -> None:
    desk.lay("world", "capped", 20)

    assert [desk.post(one) for one in kinds("world", "capped", 21)] == [Status.CEILING] * 2
    assert desk.post(transfer("world", "capped", 20)) is Status.POSTED
    assert desk.post(transfer("capped", "world", 5)) is Status.POSTED
    assert desk.post(transfer("world", "capped", 6)) is Status.CEILING
    assert desk.post(transfer("world", "capped", 5)) is Status.POSTED


@pytest.mark.parametrize("pending", [0, 30])
def test_no_counter_passes_what_a_balance_can_hold(desk: Desk, pending: int) -> None:
    full = desk.account("world")
    full.debits_posted, full.debits_pending = COUNTER_MAX - 40, pending
    deep = desk.account("shop")
    deep.credits_posted, deep.credits_pending, deep.debits_posted = COUNTER_MAX - 40, pending, 0
    room = 40 - pending

    for debit, credit in (("world", "ann"), ("deb", "shop")):
        assert [desk.post(one) for one in kinds(debit, credit, room + 1)] == [Status.CEILING] * 2
        assert desk.post(transfer(debit, credit, room)) is Status.POSTED


def test_only_the_lots_that_are_named_may_be_taken(desk: Desk) -> None:
    grants = [desk.chain(transfer("world", "ann", 5, lot=LotTerms("gift"))) for _ in range(2)]
    desk.decide(*grants)
    first = grants[0].key

    assert desk.post(transfer("ann", "world", 6, lot_of=first, lot_only=True)) is Status.INSUFFICIENT
    assert desk.post(transfer("ann", "world", 6, lot_of=first)) is Status.POSTED
    assert desk.post(transfer("ann", "world", 1, lot_of=first, lot_only=True)) is Status.INSUFFICIENT
    second = grants[1].key
    assert desk.post(transfer("ann", "world", 3, lot_of=second, lot_only=True)) is Status.POSTED
    assert desk.post(transfer("ann", "world", 1, lot_of=second, lot_only=True)) is Status.POSTED


def test_a_hold_reserves_no_lots_even_where_some_are_named(desk: Desk) -> None:
    desk.decide(desk.chain(transfer("world", "ann", 5)))
    named = replace(hold("ann", "world", 5, expires_at=None), lot_of=fact_id("never"), lot_only=True)

    assert desk.post(named) is Status.POSTED


# Holds.


def test_what_is_no_hold_is_told_apart_from_what_is_resolved(desk: Desk) -> None:
    key = desk.lay("world", "shop", 5)
    before = fact_id("resolved before")
    desk.state.resolved.add(str(before))

    assert [desk.post(one) for one in ways(fact_id("never"))] == [Status.HOLD_NOT_FOUND] * 3
    assert [desk.post(one) for one in ways(before)] == [Status.HOLD_RESOLVED] * 3
    assert desk.post(release(key)) is Status.POSTED
    assert [desk.post(one) for one in ways(key)] == [Status.HOLD_RESOLVED] * 3


def test_a_hold_is_captured_before_its_instant_and_expired_from_it_on(desk: Desk) -> None:
    keys = [desk.lay("world", "shop", 5, expires_at=NOON) for _ in range(4)]

    assert desk.post(expire(keys[0]), now=NOON - TICK) is Status.HOLD_NOT_DUE
    assert desk.post(capture(keys[0]), now=NOON) is Status.HOLD_EXPIRED
    assert desk.post(capture(keys[0]), now=NOON - TICK) is Status.POSTED
    assert desk.post(expire(keys[1]), now=NOON) is Status.POSTED
    assert desk.post(release(keys[2]), now=NOON - TICK) is Status.POSTED
    assert desk.post(release(keys[3]), now=NOON) is Status.POSTED


def test_a_hold_without_an_instant_is_never_due(desk: Desk) -> None:
    key = desk.lay("world", "shop", 5)

    assert desk.post(expire(key), now=NOON + 10_000 * HOUR) is Status.HOLD_NOT_DUE
    assert desk.post(capture(key), now=NOON + 10_000 * HOUR) is Status.POSTED


def test_a_hold_is_resolved_in_its_own_lane(desk: Desk) -> None:
    key = desk.lay("north", "norther", 5, expires_at=NOON, lane="north")

    assert [desk.post(one) for one in ways(key)] == [Status.WRONG_LANE] * 3
    assert desk.post(release(key), lane="north") is Status.POSTED


def test_a_capture_takes_up_to_what_is_held(desk: Desk) -> None:
    key = desk.lay("world", "shop", 5)

    assert desk.post(capture(key, 6)) is Status.EXCEEDS_HOLD
    assert desk.post(capture(key, 5)) is Status.POSTED


@pytest.mark.parametrize("closed", ["mall", "shop"])
def test_a_closed_account_lets_holds_go_but_moves_nothing(desk: Desk, closed: str) -> None:
    keys = [desk.lay("mall", "shop", 5, expires_at=NOON + HOUR) for _ in range(2)]
    desk.account(closed).closed = True

    assert desk.post(capture(keys[0])) is Status.CLOSED
    assert desk.post(release(keys[0])) is Status.POSTED
    assert desk.post(expire(keys[1]), now=NOON + HOUR) is Status.POSTED


# Chains and their keys.


@pytest.mark.parametrize("length", [0, CHAIN_MAX + 1])
def test_a_chain_that_is_too_short_or_too_long_is_a_mistake_of_the_caller(desk: Desk, length: int) -> None:
    with pytest.raises(ValueError, match=rf"^a chain has 1 to {CHAIN_MAX} transfers, not {length}$"):
        desk.post(*[transfer("world", "shop", 1)] * length)


def test_the_longest_chain_is_posted(desk: Desk) -> None:
    assert desk.post(*[transfer("world", "shop", 1)] * CHAIN_MAX) is Status.POSTED
    assert desk.counters("shop") == (0, 50 + CHAIN_MAX, 0, 0, CHAIN_MAX)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_repetition_is_answered_with_the_first_rows_and_moves_nothing(desk: Desk, at_once: bool) -> None:
    asked = desk.chain(transfer("world", "shop", 1), transfer("world", "ann", 2))
    later = replace(asked, actor="somebody else", effective_at=NOON)
    if at_once:
        decided = desk.decide(asked, later)
        first, again = decided.verdicts
    else:
        decided = desk.decide(asked)
        (first,), (again,) = decided.verdicts, desk.decide(later).verdicts

    assert (first.status, len(first.transfers)) == (Status.POSTED, 2)
    assert again == Verdict(Status.EXISTS, first.transfers)
    assert decided.transfers == list(first.transfers)
    assert desk.counters("shop") == (0, 51, 0, 0, 1)


def test_a_chain_of_one_transfer_is_repeated_as_well(desk: Desk) -> None:
    asked = desk.chain(transfer("world", "shop", 1))
    first, again = desk.decide(asked, asked).verdicts

    assert again == Verdict(Status.EXISTS, first.transfers)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_key_that_stands_for_another_body_is_a_conflict(desk: Desk, at_once: bool) -> None:
    asked = desk.chain(*(transfer("world", "shop", amount) for amount in (1, 2, 3)))
    other = replace(asked, transfers=asked.transfers[:1])
    taken = [Chain(transfer_key(asked.key, place), "move", asked.transfers[:1]) for place in (1, 2)]
    batches = [(asked, other, *taken)] if at_once else [(asked,), (other,), (taken[0],), (taken[1],)]

    verdicts = [one for batch in batches for one in desk.decide(*batch).verdicts]

    assert [one.status for one in verdicts] == [Status.POSTED, *[Status.CONFLICT] * 3]
    assert verdicts[1:] == [Verdict(Status.CONFLICT)] * 3
    assert desk.counters("shop") == (0, 56, 0, 0, 3)
    keys = [str(asked.key_of(place)) for place in range(3)]
    assert [desk.state.known[key] for key in keys] == [verdicts[0].transfers, (), ()]


def test_a_chain_that_would_derive_a_taken_key_is_a_conflict(desk: Desk) -> None:
    asked = desk.chain(*(transfer("world", "shop", amount) for amount in (1, 2, 3)))
    squatter = Chain(transfer_key(asked.key, 2), "move", (transfer("world", "ann", 9),))

    verdicts = desk.decide(squatter, asked).verdicts

    assert [one.status for one in verdicts] == [Status.POSTED, Status.CONFLICT]


# Nothing is left.


def test_a_refused_chain_says_which_transfer_failed_and_leaves_its_key_free(desk: Desk) -> None:
    for place in range(3):
        legs = [transfer("world", "shop", 1)] * 3
        legs[place] = transfer("shop", "shop", 1)
        asked = desk.chain(*legs)
        assert desk.decide(asked).verdicts == [Verdict(Status.SAME_ACCOUNT, failed_at=place)]
        assert desk.decide(replace(asked, transfers=(legs[place - 1],))).verdicts[0].ok


FAILS = transfer("shop", "shop", 1)


def test_a_refused_chain_leaves_everything_as_it_was(desk: Desk) -> None:
    grant = desk.chain(transfer("world", "ann", 9, lot=LotTerms("gift")), transfer("deb", "world", 3))
    desk.decide(grant)
    spent = desk.chain(transfer("ann", "shop", 2))
    desk.decide(spent)
    older = desk.lay("world", "shop", 5, expires_at=NOON + HOUR)
    before = desk.everything()
    asked = desk.chain(Transfer(Kind.DIRECT))
    legs = (
        hold("world", "shop", 5, expires_at=None),
        capture(asked.key, 3),
        hold("ann", "mall", 1, expires_at=None),
        capture(older),
        transfer("shop", "ann", 2, restores=spent.key),
        transfer("world", "deb", 8),
        transfer("ann", "shop", 4, lot_of=grant.key),
    )

    for length in range(len(legs) + 1):
        decided = desk.decide(replace(asked, transfers=(*legs[:length], FAILS)))
        assert decided.verdicts == [Verdict(Status.SAME_ACCOUNT, failed_at=length)]
        assert (decided.transfers, decided.opened, decided.closed) == ([], [], [])
        assert desk.everything() == before
    assert desk.decide(replace(asked, transfers=legs)).verdicts[0].ok


def test_a_refused_chain_leaves_what_its_batch_did_before_it(desk: Desk) -> None:
    keys = [desk.lay("world", "shop", 5) for _ in range(4)]
    rows = [desk.state.holds[str(key)].id for key in keys]
    fresh = desk.chain(hold("world", "mall", 7, expires_at=None))
    gone = desk.chain(hold("world", "mall", 8, expires_at=None))

    decided = desk.decide(
        desk.chain(release(keys[0])),
        fresh,
        desk.chain(release(fresh.key), FAILS),
        gone,
        desk.chain(release(gone.key)),
        desk.chain(capture(keys[1]), release(keys[2]), release(fresh.key), FAILS),
        desk.chain(release(keys[3])),
        desk.chain(release(fresh.key), release(keys[1]), FAILS),
    )

    posted = [one.status is Status.POSTED for one in decided.verdicts]
    assert posted == [True, True, False, True, True, False, True, False]
    assert decided.closed == [rows[0], rows[3]]
    assert [one.key for one in decided.opened] == [str(fresh.key)]
    assert set(desk.state.holds) == {str(keys[1]), str(keys[2]), str(fresh.key)}
    assert desk.state.resolved == {str(keys[0]), str(keys[3]), str(gone.key)}
    assert desk.counters("shop") == (0, 50, 0, 10, 2)
    assert desk.counters("mall") == (0, 50, 0, 7, 3)
    resolved = desk.decide(desk.chain(release(fresh.key)), desk.chain(capture(keys[2])))
    assert [one.ok for one in resolved.verdicts] == [True, True]
