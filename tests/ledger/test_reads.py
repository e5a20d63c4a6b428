"""Asking the ledger: balances now, at a number, at an instant; statements; both databases alike."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerava.ledger import UnknownAccount, capture, chain, hold, release, transfer
from nerava.ledger.lot_reads import expiring_next
from nerava.ledger.reads import STATEMENT_MAX, available_now, count_accounts, statement
from nerava.ledger.values import LotTerms
from tests.ledger.houses import DAY, HOUR, NOON, House

if TYPE_CHECKING:
    pass

TICK: Final = timedelta(microseconds=1)


def pay_in(house: House, *hours: int) -> None:
    """Deposit 1, 2, 3 … at hours after noon."""
    for number, hour in enumerate(hours, start=1):
        house.clock.move_to(NOON + hour * HOUR)
        house.must(chain(f"deposit:{number}", transfer("bank", "till", number)))


def held_at(house: House, at: datetime) -> tuple[int, int]:
    found = house.ledger.balance_at("till", at)
    return found.posted, found.sequence


def test_a_balance_at_an_instant_is_that_after_the_last_transfer_by_then(house: House) -> None:
    pay_in(house, 0, 1, 2, 3, 4)

    assert held_at(house, NOON - TICK) == (0, 0)
    assert held_at(house, NOON) == (1, 1)
    assert held_at(house, NOON + HOUR - TICK) == (1, 1)
    assert held_at(house, NOON + HOUR) == (3, 2)
    assert held_at(house, NOON + 4 * HOUR - TICK) == (10, 4)
    assert held_at(house, NOON + 4 * HOUR) == (15, 5)
    assert held_at(house, NOON + 9 * DAY) == (15, 5)
    assert held_at(house, (NOON + HOUR).astimezone(timezone(timedelta(hours=-8)))) == (3, 2)


def test_of_equal_instants_the_last_counts(house: House) -> None:
    pay_in(house, 0, 1, 1, 1, 2, 2)

    assert held_at(house, NOON + HOUR) == (10, 4)
    assert held_at(house, NOON + HOUR - TICK) == (1, 1)
    assert held_at(house, NOON + 2 * HOUR) == (21, 6)


def test_an_account_that_never_moved_holds_nothing_at_any_instant(house: House) -> None:
    assert held_at(house, NOON - DAY) == held_at(house, NOON + DAY) == (0, 0)
    assert house.ledger.balance_at_sequence("till", 0).posted == 0
    assert house.ledger.balance_at_sequence("till", 5).sequence == 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_search_finds_what_counting_from_the_start_finds(house: House, data: st.DataObject) -> None:
    made = house.ledger.balance("shop").sequence
    if made == 0:
        for number in range(40):
            house.clock.move_to(NOON + (number * number % 7 // 3 + number // 5) * HOUR)
            back = number % 3 == 2
            sides = ("shop", "mint") if back else ("mint", "shop")
            house.must(chain(f"step:{number}", transfer(*sides, 1 + number % 2)))
    lines = house.ledger.statement("shop")
    at = NOON + data.draw(st.integers(-2, 14 * 4)) * HOUR / 4
    past = [line for line in lines if line.posted_at <= at]

    found = house.ledger.balance_at("shop", at)

    assert (found.posted, found.sequence) == (sum(one.change for one in past), len(past))


def test_a_balance_at_a_number_is_that_just_after_it(house: House) -> None:
    house.must(
        chain("d", transfer("bank", "till", 100)),
        held := chain("h", hold("till", "bank", 30, expires_at=None)),
        chain("c", capture(held.key, 10)),
        kept := chain("k", hold("till", "bank", 5, expires_at=None)),
        chain("r", release(kept.key)),
    )
    seen = [house.ledger.balance_at_sequence("till", number) for number in range(7)]

    assert [(one.posted, one.available, one.sequence) for one in seen] == [
        (0, 0, 0),
        (100, 100, 1),
        (100, 70, 2),
        (90, 90, 3),
        (90, 85, 4),
        (90, 90, 5),
        (90, 90, 5),
    ]
    with pytest.raises(ValueError, match="0 or more"):
        house.ledger.balance_at_sequence("till", -1)


def test_a_statement_tells_every_transfer_as_the_account_saw_it(house: House) -> None:
    yesterday = NOON - DAY
    house.must(
        chain(
            "d", transfer("bank", "till", 100), effective_at=yesterday, actor="clerk", metadata={"slip": 7}
        ),
        held := chain("h", hold("till", "capped", 30, expires_at=None)),
        chain("c", capture(held.key, 10)),
    )
    first, second, third = house.ledger.statement("till")

    assert (first.sequence, first.is_debit, first.amount, first.change) == (1, False, 100, 100)
    assert (first.posted, first.available, first.counterparty) == (100, 100, "bank")
    assert (first.effective_at, first.posted_at) == (yesterday, NOON)
    assert (first.template, first.kind, first.actor, first.metadata) == ("d", "direct", "clerk", {"slip": 7})
    assert (second.kind, second.is_debit, second.amount, second.change) == ("hold", True, 30, 0)
    assert (second.posted, second.available) == (100, 70)
    assert (third.kind, third.amount, third.change, third.counterparty) == ("capture", 10, -10, "capped")
    assert second.key == held.key
    assert len({first.transaction_id, second.transaction_id, third.transaction_id}) == 3

    (mirror,) = house.ledger.statement("bank")
    assert (mirror.is_debit, mirror.change, mirror.posted, mirror.counterparty) == (True, -100, -100, "till")


def test_pages_of_a_statement_join_without_a_gap_in_both_directions(house: House) -> None:
    for number in range(10):
        sides = ("bank", "till") if number % 2 == 0 else ("till", "bank")
        house.must(chain(f"step:{number}", transfer(*sides, 1)))
    numbers = list(range(1, 11))

    forward, after = [], 0
    while page := house.ledger.statement("till", after=after, limit=3):
        forward += [line.sequence for line in page]
        after = forward[-1]
    assert forward == numbers

    def page_before(number: int) -> list[int]:
        def look(session: object) -> list[int]:
            lines = statement(session, "till", before=number, limit=4, newest_first=True)  # type: ignore[arg-type]
            return [line.sequence for line in lines]

        return house.database.read(look)

    backward, before = [], 11
    while rest := page_before(before):
        backward += rest
        before = rest[-1]
    assert backward == numbers[::-1]
    assert [one.sequence for one in house.ledger.statement("till", newest_first=True, limit=2)] == [10, 9]
    assert [one.sequence for one in house.ledger.statement("till", after=8)] == [9, 10]
    assert house.ledger.statement("till", after=10) == []
    assert house.ledger.statement("till", limit=0) == house.ledger.statement("till", limit=-5) == []


def test_a_statement_is_never_longer_than_its_bound(house: House) -> None:
    legs = [transfer("bank", "till", 1)] * 251
    house.must(*(chain(f"many:{number}", *legs) for number in range(4)))

    assert len(house.ledger.statement("till", limit=10**9)) == STATEMENT_MAX == 1_000


@pytest.mark.parametrize("code", ["ghost", "", "TILL"])
def test_what_nobody_opened_is_unknown(house: House, code: str) -> None:
    for ask in (
        house.ledger.balance,
        house.ledger.statement,
        lambda name: house.ledger.balance_at(name, NOON),
        lambda name: house.ledger.balance_at_sequence(name, 1),
    ):
        with pytest.raises(UnknownAccount) as unknown:
            ask(code)
        assert unknown.value.status == 404


def test_accounts_are_counted_by_name(house: House) -> None:
    def count(*codes: str) -> int:
        return house.database.read(lambda session: count_accounts(session, codes))

    assert (count("till", "bank", "ghost"), count("ghost"), count()) == (2, 0, 0)


def test_what_many_accounts_can_spend_is_one_question(house: House) -> None:
    house.must(
        chain("d", transfer("bank", "till", 9)), chain("h", hold("till", "capped", 4, expires_at=None))
    )

    def ask(*codes: str) -> dict[str, int]:
        return house.database.read(lambda session: available_now(session, codes))

    assert ask("till", "capped", "bank", "ghost") == {"till": 5, "capped": 0, "bank": -9}
    assert ask() == {}


def test_points_that_expire_are_told_by_instant_the_soonest_first(house: House) -> None:
    for number, (days, points) in enumerate([(3, 5), (1, 7), (3, 6), (None, 9), (2, 4)]):
        terms = LotTerms("x", None if days is None else NOON + days * DAY)
        house.must(chain(f"grant:{number}", transfer("mint", "alice", points, lot=terms)))
    house.must(chain("spend", transfer("alice", "shop", 8)))

    def ask(code: str, limit: int) -> list[tuple[int, datetime]]:
        found = house.database.read(lambda session: expiring_next(session, code, limit=limit))
        return [(one.points, one.expires_at) for one in found]

    assert ask("alice", 9) == [(3, NOON + 2 * DAY), (11, NOON + 3 * DAY)]
    assert ask("alice", 1) == [(3, NOON + 2 * DAY)]
    assert ask("bob", 9) == ask("ghost", 9) == []
