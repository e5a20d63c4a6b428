"""The oracle itself, on examples worked out by hand: who checks the checker."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from nerava.kernel.ids import fact_id
from nerava.ledger.accounts import AccountSpec
from nerava.ledger.values import (
    AMOUNT_MAX,
    CHAIN_MAX,
    Chain,
    Kind,
    LotTerms,
    Status,
    Transfer,
    capture,
    chain,
    expire,
    hold,
    release,
    transfer,
    transfer_key,
)
from tests.ledger.lot_walk import LotView
from tests.ledger.oracle import Balance, Oracle

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
POSTED = (Status.POSTED, None)

ACCOUNTS = (
    AccountSpec("world", "NOVA", "nova_issuance", floor=None),
    AccountSpec("ann", "NOVA", "driver_nova", keeps_lots=True),
    AccountSpec("ben", "NOVA", "driver_nova", keeps_lots=True),
    AccountSpec("deb", "NOVA", "driver_nova", floor=-50, keeps_lots=True),
    AccountSpec("shop", "NOVA", "merchant_nova"),
    AccountSpec("capped", "NOVA", "merchant_nova", ceiling=100),
    AccountSpec("cash", "USD", "external", floor=None),
    AccountSpec("far", "NOVA", "merchant_nova", lane="north"),
    AccountSpec("far-world", "NOVA", "nova_issuance", floor=None, lane="north"),
)


class Book:
    """An oracle with the accounts above and a fact for every chain."""

    def __init__(self, **settings: int) -> None:
        self.oracle = Oracle(**settings)
        self.facts = 0
        for spec in ACCOUNTS:
            self.oracle.open(spec)

    def made(self, *transfers: Transfer, lane: str = "main") -> Chain:
        self.facts += 1
        return Chain(fact_id(f"fact:{self.facts}"), "move", transfers, lane=lane)

    def post(self, *transfers: Transfer, now: datetime = NOON) -> tuple[Status, int | None]:
        return self.oracle.post(self.made(*transfers), now)

    def held(self, debit: str, credit: str, amount: int, expires_at: datetime | None = None) -> UUID:
        asked = self.made(hold(debit, credit, amount, expires_at=expires_at))
        assert self.oracle.post(asked, NOON) == POSTED
        return asked.key

    def posted(self, code: str) -> int:
        return self.oracle.balances(code).posted

    def left(self, code: str) -> list[tuple[int, str]]:
        lots = self.oracle.lots(code).elements()
        return sorted((lot.remaining, lot.source) for lot in lots if lot.remaining)


@pytest.fixture
def book() -> Book:
    return Book()


def test_a_transfer_moves_its_amount_and_nothing_else(book: Book) -> None:
    assert book.post(transfer("world", "shop", 70)) == POSTED
    assert book.oracle.balances("world") == Balance(debits_posted=70, sequence=1)
    assert book.oracle.balances("shop") == Balance(credits_posted=70, sequence=1)
    assert book.oracle.balances("ann") == Balance()
    assert (book.posted("world"), book.posted("shop")) == (-70, 70)


def test_a_debit_may_reach_the_floor_and_not_pass_it(book: Book) -> None:
    book.post(transfer("world", "shop", 70))
    assert book.post(transfer("shop", "world", 71)) == (Status.INSUFFICIENT, 0)
    assert book.post(transfer("shop", "world", 70)) == POSTED
    assert book.post(transfer("deb", "world", 51)) == (Status.INSUFFICIENT, 0)
    assert book.post(transfer("deb", "world", 50)) == POSTED
    assert book.posted("deb") == -50


def test_the_floor_counts_what_is_held(book: Book) -> None:
    book.post(transfer("world", "shop", 70))
    book.held("shop", "ann", 30)
    assert book.oracle.balances("shop") == Balance(credits_posted=70, debits_pending=30, sequence=2)
    assert book.oracle.balances("shop").available == 40
    assert book.post(transfer("shop", "world", 41)) == (Status.INSUFFICIENT, 0)
    assert book.post(transfer("shop", "world", 40)) == POSTED


def test_the_ceiling_counts_what_is_promised(book: Book) -> None:
    book.held("world", "capped", 60)
    assert book.oracle.balances("capped") == Balance(credits_pending=60, sequence=1)
    assert book.post(transfer("world", "capped", 41)) == (Status.CEILING, 0)
    assert book.post(transfer("world", "capped", 40)) == POSTED
    assert book.post(hold("world", "capped", 1, expires_at=None)) == (Status.CEILING, 0)


def test_a_chain_sees_its_own_earlier_transfers_and_leaves_nothing_when_one_fails(book: Book) -> None:
    legs = (transfer("world", "shop", 10), transfer("shop", "ann", 10))
    assert book.post(*legs, transfer("shop", "ann", 1)) == (Status.INSUFFICIENT, 2)
    assert book.oracle.history == []
    assert book.post(*legs) == POSTED
    assert [book.posted(code) for code in ("world", "shop", "ann")] == [-10, 0, 10]
    assert book.oracle.balances("shop").sequence == 2


def test_a_chain_has_one_to_chain_max_transfers(book: Book) -> None:
    many = [transfer("world", "shop", 1)] * CHAIN_MAX
    with pytest.raises(ValueError, match="CHAIN_MAX"):
        book.post()
    with pytest.raises(ValueError, match="CHAIN_MAX"):
        book.post(*many, many[0])
    assert book.post(*many) == POSTED


@pytest.mark.parametrize("amount", [0, -1, True, 1.5, None, "1", AMOUNT_MAX + 1, 10**16])
def test_what_is_no_amount_is_refused(book: Book, amount: int) -> None:
    assert book.post(transfer("world", "shop", amount)) == (Status.BAD_AMOUNT, 0)
    assert book.post(hold("world", "shop", amount, expires_at=None)) == (Status.BAD_AMOUNT, 0)


def test_the_largest_amount_is_an_amount(book: Book) -> None:
    assert book.post(transfer("world", "shop", AMOUNT_MAX)) == POSTED
    assert book.posted("shop") == AMOUNT_MAX


def test_the_first_reason_in_the_contract_is_the_one_that_is_told(book: Book) -> None:
    book.oracle.close("capped")
    reasons = {
        transfer("nobody", "nobody", 0): Status.BAD_AMOUNT,
        transfer("nobody", "nobody", 1): Status.SAME_ACCOUNT,
        transfer("nobody", "far", 1): Status.NO_ACCOUNT,
        transfer("far", "nobody", 1): Status.NO_ACCOUNT,
        transfer("far", "capped", 1): Status.WRONG_LANE,
        transfer("cash", "capped", 1): Status.CLOSED,
        transfer("shop", "cash", 1): Status.ASSET_MISMATCH,
        transfer("shop", "ann", 1): Status.INSUFFICIENT,
    }
    for asked, reason in reasons.items():
        assert book.post(asked) == (reason, 0)
        as_hold = replace(asked, kind=Kind.HOLD)
        assert book.post(as_hold) == (reason, 0)


def test_a_debit_that_cannot_pay_is_told_before_a_credit_that_is_full(book: Book) -> None:
    assert book.post(transfer("ann", "capped", 101)) == (Status.INSUFFICIENT, 0)
    assert book.post(transfer("world", "capped", 101)) == (Status.CEILING, 0)


def test_a_counter_never_passes_its_largest_number() -> None:
    book = Book(counter_max=10)
    assert book.post(transfer("world", "shop", 7)) == POSTED
    assert book.post(transfer("shop", "world", 4)) == POSTED
    assert book.post(transfer("world", "ann", 4)) == (Status.CEILING, 0)
    assert book.post(transfer("cash", "world", 1)) == (Status.ASSET_MISMATCH, 0)
    assert book.post(transfer("world", "ann", 3)) == POSTED
    assert book.post(hold("world", "shop", 11, expires_at=None)) == (Status.CEILING, 0)
    key = book.held("world", "shop", 10)
    assert book.post(capture(key, 1)) == (Status.CEILING, 0)
    assert book.post(release(key)) == POSTED


def test_the_same_fact_answers_once_more_and_another_body_is_a_conflict(book: Book) -> None:
    asked = chain("reward:1", transfer("world", "shop", 5))
    assert book.oracle.post(asked, NOON) == POSTED
    later = replace(asked, actor="somebody else", effective_at=NOON, metadata={"try": 2})
    book.oracle.close("shop")
    assert book.oracle.post(later, NOON + HOUR) == (Status.EXISTS, None)
    other = replace(asked, transfers=(transfer("world", "shop", 6),))
    assert book.oracle.post(other, NOON) == (Status.CONFLICT, None)
    assert book.posted("shop") == 5


def test_a_refused_chain_does_not_use_up_its_key(book: Book) -> None:
    asked = chain("reward:1", transfer("shop", "ann", 5))
    assert book.oracle.post(asked, NOON) == (Status.INSUFFICIENT, 0)
    book.post(transfer("world", "shop", 5))
    assert book.oracle.post(asked, NOON) == POSTED
    assert book.posted("ann") == 5


def test_the_key_of_a_later_transfer_is_taken(book: Book) -> None:
    first = book.made(transfer("world", "shop", 1), transfer("world", "ann", 1))
    assert book.oracle.post(first, NOON) == POSTED
    for body in (first.transfers, (first.transfers[1],)):
        taken = Chain(transfer_key(first.key, 1), "move", body)
        assert book.oracle.post(taken, NOON) == (Status.CONFLICT, None)


def test_a_chain_that_would_derive_a_taken_key_is_a_conflict(book: Book) -> None:
    second = book.made(transfer("world", "shop", 1), transfer("world", "ann", 1))
    squatter = Chain(transfer_key(second.key, 1), "move", (transfer("world", "ann", 9),))
    assert book.oracle.post(squatter, NOON) == POSTED
    assert book.oracle.post(second, NOON) == (Status.CONFLICT, None)
    assert book.posted("shop") == 0


def test_a_hold_moves_nothing_until_it_is_captured(book: Book) -> None:
    book.post(transfer("world", "shop", 70))
    key = book.held("shop", "ann", 30)
    assert (book.posted("shop"), book.posted("ann")) == (70, 0)
    assert list(book.oracle.open_holds()) == [key]
    assert book.post(capture(key)) == POSTED
    assert book.oracle.balances("shop") == Balance(debits_posted=30, credits_posted=70, sequence=3)
    assert book.oracle.balances("ann") == Balance(credits_posted=30, sequence=2)
    assert book.oracle.open_holds() == {}


def test_a_capture_of_a_part_gives_the_rest_back(book: Book) -> None:
    book.post(transfer("world", "shop", 70))
    key = book.held("shop", "ann", 30)
    assert book.post(capture(key, 31)) == (Status.EXCEEDS_HOLD, 0)
    assert book.post(capture(key, 12)) == POSTED
    assert book.oracle.balances("shop").available == 58
    assert book.posted("ann") == 12
    assert book.oracle.history[-1].amount == 12


@pytest.mark.parametrize("amount", [0, -1, True, 1.5])
def test_a_bad_amount_is_told_before_anything_about_the_hold(book: Book, amount: int) -> None:
    assert book.post(capture(fact_id("none"), amount)) == (Status.BAD_AMOUNT, 0)


def test_a_hold_is_resolved_once(book: Book) -> None:
    key = book.held("world", "ann", 30)
    assert book.post(release(key)) == POSTED
    assert book.oracle.balances("ann") == Balance(sequence=2)
    assert book.oracle.history[-1].amount == 30
    for again in (capture(key), release(key), expire(key)):
        assert book.post(again) == (Status.HOLD_RESOLVED, 0)
    assert book.oracle.resolution_of(key) is not None


def test_what_is_no_hold_cannot_be_resolved(book: Book) -> None:
    direct = book.made(transfer("world", "shop", 1))
    assert book.oracle.post(direct, NOON) == POSTED
    key = book.held("world", "ann", 30)
    captured = book.made(capture(key))
    assert book.oracle.post(captured, NOON) == POSTED
    for none in (direct.key, captured.key, fact_id("never")):
        assert book.post(release(none)) == (Status.HOLD_NOT_FOUND, 0)
    assert book.post(Transfer(Kind.RELEASE)) == (Status.HOLD_NOT_FOUND, 0)


def test_a_hold_can_be_captured_up_to_its_instant_and_expired_from_it_on(book: Book) -> None:
    key = book.held("world", "ann", 30, NOON + HOUR)
    just_before = NOON + HOUR - timedelta(microseconds=1)
    assert book.post(expire(key), now=just_before) == (Status.HOLD_NOT_DUE, 0)
    assert book.post(capture(key), now=NOON + HOUR) == (Status.HOLD_EXPIRED, 0)
    assert book.post(expire(key), now=NOON + HOUR) == POSTED
    other = book.held("world", "ann", 30, NOON + HOUR)
    assert book.post(capture(other), now=just_before) == POSTED


def test_a_hold_without_an_instant_never_expires(book: Book) -> None:
    key = book.held("world", "ann", 30)
    assert book.post(expire(key), now=NOON + 10_000 * HOUR) == (Status.HOLD_NOT_DUE, 0)
    assert book.post(capture(key), now=NOON + 10_000 * HOUR) == POSTED


def test_a_hold_born_late_can_only_be_given_back(book: Book) -> None:
    first, second = book.held("world", "ann", 3, NOON), book.held("world", "ann", 3, NOON - HOUR)
    assert book.post(capture(first)) == (Status.HOLD_EXPIRED, 0)
    assert book.post(capture(second, 9)) == (Status.HOLD_EXPIRED, 0)
    assert book.post(release(first)) == POSTED
    assert book.post(expire(second)) == POSTED


def test_a_hold_and_its_capture_fit_into_one_chain(book: Book) -> None:
    empty = book.made()
    legs = (hold("world", "ann", 9, expires_at=None), capture(empty.key, 4))
    assert book.oracle.post(replace(empty, transfers=legs), NOON) == POSTED
    assert book.posted("ann") == 4
    assert book.oracle.balances("ann").sequence == 2
    empty = book.made()
    twice = (hold("world", "ann", 9, expires_at=None), capture(empty.key, 4), capture(empty.key, 5))
    assert book.oracle.post(replace(empty, transfers=twice), NOON) == (Status.HOLD_RESOLVED, 2)
    assert book.oracle.open_holds() == {}


def test_a_closed_account_lets_holds_go_but_takes_nothing(book: Book) -> None:
    keys = [book.held("world", "shop", 5, NOON + HOUR) for _ in range(3)]
    book.oracle.close("shop")
    assert book.post(transfer("world", "shop", 1)) == (Status.CLOSED, 0)
    assert book.post(capture(keys[0], 6)) == (Status.EXCEEDS_HOLD, 0)
    assert book.post(capture(keys[0])) == (Status.CLOSED, 0)
    assert book.post(release(keys[0])) == POSTED
    assert book.post(expire(keys[1]), now=NOON + HOUR) == POSTED
    assert list(book.oracle.open_holds()) == [keys[2]]


def test_a_hold_is_resolved_in_its_own_lane(book: Book) -> None:
    asked = book.made(hold("far-world", "far", 5, expires_at=NOON), lane="north")
    assert book.oracle.post(asked, NOON) == POSTED
    for way in (capture(asked.key), release(asked.key), expire(asked.key)):
        assert book.post(way) == (Status.WRONG_LANE, 0)
    assert book.oracle.post(book.made(release(asked.key), lane="north"), NOON) == POSTED
    assert book.post(release(asked.key)) == (Status.HOLD_RESOLVED, 0)


def test_time_never_runs_backwards_along_an_account(book: Book) -> None:
    book.post(transfer("world", "ann", 1), now=NOON + HOUR)
    book.post(transfer("world", "shop", 1), now=NOON)
    book.post(transfer("cash", "far", 1), now=NOON)
    assert book.oracle.history[-1].posted_at == NOON + HOUR
    assert book.oracle.history[-1].effective_at == NOON + HOUR
    asked = replace(book.made(transfer("ann", "ben", 1)), effective_at=NOON - HOUR)
    assert book.oracle.post(asked, NOON) == POSTED
    assert book.oracle.history[-1].effective_at == NOON - HOUR
    book.post(transfer("ben", "ann", 1), now=NOON + 2 * HOUR)
    assert book.oracle.history[-1].posted_at == NOON + 2 * HOUR


def test_accounts_are_opened_once(book: Book) -> None:
    book.oracle.open(ACCOUNTS[0])
    with pytest.raises(ValueError, match="other terms"):
        book.oracle.open(replace(ACCOUNTS[0], floor=0))
    with pytest.raises(ValueError, match="not open"):
        book.oracle.close("nobody")


def test_a_credit_is_a_lot_with_its_terms(book: Book) -> None:
    book.post(transfer("world", "ann", 5, lot=LotTerms("campaign:1", NOON)))
    book.post(transfer("world", "ann", 3))
    book.post(transfer("world", "shop", 4))
    assert book.oracle.lots("ann") == Counter(
        [LotView(5, 5, "campaign:1", NOON), LotView(3, 3, "move", None)]
    )
    assert book.oracle.lots("shop") == Counter()


def test_the_lot_that_ends_first_is_spent_first_and_the_eldest_of_equals(book: Book) -> None:
    for source, end in (("never", None), ("late", NOON + HOUR), ("soon", NOON), ("soon-too", NOON)):
        book.post(transfer("world", "ann", 5, lot=LotTerms(source, end)))
    book.post(transfer("ann", "shop", 7))
    assert book.left("ann") == [(3, "soon-too"), (5, "late"), (5, "never")]
    book.post(transfer("ann", "shop", 9))
    assert book.left("ann") == [(4, "never")]
    assert book.oracle.lots("ann")[LotView(5, 0, "soon", NOON)] == 1


def test_a_preferred_lot_is_spent_before_one_that_ends_sooner(book: Book) -> None:
    book.post(transfer("world", "ann", 5, lot=LotTerms("soon", NOON)))
    grant = book.made(transfer("world", "ann", 5, lot=LotTerms("late", NOON + HOUR)))
    book.oracle.post(grant, NOON)
    book.post(transfer("ann", "shop", 6, lot_of=grant.key))
    assert book.left("ann") == [(4, "soon")]


def test_a_debit_of_certain_lots_alone_takes_no_other(book: Book) -> None:
    grant = book.made(transfer("world", "ann", 5, lot=LotTerms("due", NOON)))
    book.oracle.post(grant, NOON)
    book.post(transfer("world", "ann", 5, lot=LotTerms("soon", NOON - HOUR)))
    book.post(transfer("ann", "shop", 7))
    assert book.left("ann") == [(3, "due")]
    book.post(transfer("world", "ann", 5))
    alone = partial(transfer, lot_of=grant.key, lot_only=True)
    assert book.post(alone("ann", "world", 4)) == (Status.INSUFFICIENT, 0)
    assert book.post(alone("ann", "world", 3)) == POSTED
    assert book.post(alone("ann", "world", 1)) == (Status.INSUFFICIENT, 0)
    assert book.post(transfer("ann", "world", 1, lot_only=True)) == (Status.INSUFFICIENT, 0)
    assert book.post(alone("world", "shop", 1)) == (Status.INSUFFICIENT, 0)
    assert book.left("ann") == [(5, "move")]


def test_a_hold_reserves_no_lot_and_its_capture_takes_them(book: Book) -> None:
    book.post(transfer("world", "ann", 5, lot=LotTerms("soon", NOON)))
    key = book.held("ann", "ben", 5)
    assert book.left("ann") == [(5, "soon")]
    book.post(transfer("world", "ann", 5, lot=LotTerms("sooner", NOON - HOUR)))
    book.post(capture(key, 4, lot=LotTerms("gift", NOON + HOUR)))
    assert book.left("ann") == [(1, "sooner"), (5, "soon")]
    assert book.left("ben") == [(4, "gift")]


def test_below_zero_there_are_no_lots_and_a_credit_pays_the_debt_first(book: Book) -> None:
    book.post(transfer("world", "deb", 10))
    book.post(transfer("deb", "shop", 25))
    assert book.posted("deb") == -15
    assert book.left("deb") == []
    book.post(transfer("world", "deb", 6, lot=LotTerms("a")))
    assert book.oracle.lots("deb")[LotView(6, 0, "a", None)] == 1
    book.post(transfer("world", "deb", 20, lot=LotTerms("b")))
    assert book.posted("deb") == 11
    assert book.left("deb") == [(11, "b")]
    assert book.oracle.lots("deb")[LotView(20, 11, "b", None)] == 1


def test_what_was_spent_comes_back_as_it_was_the_last_first(book: Book) -> None:
    book.post(transfer("world", "ann", 5, lot=LotTerms("soon", NOON)))
    book.post(transfer("world", "ann", 5, lot=LotTerms("late", NOON + HOUR)))
    spent = book.made(transfer("ann", "shop", 8))
    book.oracle.post(spent, NOON)
    assert book.left("ann") == [(2, "late")]
    book.post(transfer("shop", "ann", 2, restores=spent.key))
    assert book.left("ann") == [(2, "late"), (2, "late")]
    assert book.oracle.lots("ann")[LotView(2, 2, "late", NOON + HOUR)] == 1
    book.post(transfer("shop", "ann", 4, restores=spent.key))
    assert book.left("ann") == [(1, "late"), (2, "late"), (2, "late"), (3, "soon")]
    book.post(transfer("world", "ann", 9, restores=spent.key, lot=LotTerms("gift")))
    assert book.left("ann")[-3:] == [(2, "soon"), (3, "soon"), (7, "gift")]
    book.post(transfer("world", "ann", 1, restores=spent.key))
    assert book.left("ann")[0] == (1, "late")
    assert (1, "move") in book.left("ann")


def test_restoring_what_took_from_no_lot_makes_an_ordinary_one(book: Book) -> None:
    for key in (fact_id("never"), book.held("world", "ann", 3)):
        book.post(transfer("world", "ann", 4, restores=key))
    assert book.left("ann") == [(4, "move"), (4, "move")]


def test_lots_can_come_back_on_another_account(book: Book) -> None:
    book.post(transfer("world", "ann", 5, lot=LotTerms("soon", NOON)))
    spent = book.made(transfer("ann", "shop", 5))
    book.oracle.post(spent, NOON)
    book.post(transfer("shop", "ben", 5, restores=spent.key))
    assert book.left("ben") == [(5, "soon")]
    assert book.left("ann") == []


def test_a_debt_that_was_paid_on_the_far_side_does_not_come_back(book: Book) -> None:
    book.post(transfer("world", "ann", 10, lot=LotTerms("mine")))
    book.post(transfer("deb", "world", 1))
    spent = book.made(transfer("ann", "deb", 3, lot=LotTerms("theirs")))
    book.oracle.post(spent, NOON)
    assert book.left("deb") == [(2, "theirs")]
    book.post(transfer("world", "ann", 4, restores=spent.key))
    assert book.left("ann") == [(1, "move"), (3, "mine"), (7, "mine")]


def test_lots_that_come_back_pay_a_debt_too(book: Book) -> None:
    book.post(transfer("world", "deb", 10, lot=LotTerms("soon", NOON)))
    spent = book.made(transfer("deb", "shop", 14))
    book.oracle.post(spent, NOON)
    book.post(transfer("shop", "deb", 14, restores=spent.key))
    assert book.posted("deb") == 10
    assert book.oracle.lots("deb") == Counter(
        [
            LotView(10, 0, "soon", NOON),
            LotView(10, 6, "soon", NOON),
            LotView(4, 4, "move", None),
        ]
    )
