"""Points remember when they expire and whose money is behind them, through spending, refund and debt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from nerava.ledger import LotTerms, Status, capture, chain, hold, model, release, transfer
from tests.ledger.houses import DAY, NOON, House, LotView

if TYPE_CHECKING:
    from nerava.ledger import Chain


def grant(name: str, points: int, days: int | None = None, to: str = "alice") -> Chain:
    terms = LotTerms(name, None if days is None else NOON + days * DAY)
    return chain(f"grant:{name}", transfer("mint", to, points, lot=terms))


def spend(number: object, points: int, *, by: str = "alice", lot_of: Chain | None = None) -> Chain:
    return chain(f"spend:{number}", transfer(by, "shop", points, lot_of=lot_of.key if lot_of else None))


def refund(number: object, of: Chain, points: int, *, to: str = "alice") -> Chain:
    return chain(f"refund:{number}", transfer("shop", to, points, restores=of.key))


def left(house: House, code: str = "alice") -> dict[str, int]:
    sums: dict[str, int] = {}
    for lot in house.lots(code):
        sums[lot.source] = sums.get(lot.source, 0) + lot.remaining
    return sums


def test_points_are_consumed_by_expiry_those_that_never_expire_last_and_by_age(house: House) -> None:
    house.must(
        grant("never", 10),
        grant("late", 10, 9),
        grant("soon", 10, 1),
        grant("late too", 10, 9),
        grant("never too", 10),
    )
    seen = []
    for number in range(5):
        house.must(spend(number, 8))
        seen.append(left(house))

    assert seen == [
        {"never": 10, "late": 10, "soon": 2, "late too": 10, "never too": 10},
        {"never": 10, "late": 4, "late too": 10, "never too": 10},
        {"never": 10, "late too": 6, "never too": 10},
        {"never": 8, "never too": 10},
        {"never too": 10},
    ]


def test_one_batch_spends_what_it_granted_in_the_same_order(house: House) -> None:
    verdicts = house.post(
        grant("late", 10, 9), grant("soon", 10, 1), spend(1, 5), grant("now", 10, 0), spend(2, 8)
    )

    assert {one.status for one in verdicts} == {Status.POSTED}
    assert left(house) == {"late": 10, "soon": 5, "now": 2}


def test_the_lot_of_a_named_transfer_goes_first_and_the_rest_follows_by_expiry(house: House) -> None:
    house.must(grant("soon", 10, 1), late := grant("late", 10, 9), grant("never", 10))

    house.must(spend(1, 4, lot_of=late))
    assert left(house) == {"soon": 10, "late": 6, "never": 10}

    house.must(spend(2, 8, lot_of=late))
    assert left(house) == {"soon": 8, "never": 10}

    house.must(spend(3, 3, lot_of=late))
    assert left(house) == {"soon": 5, "never": 10}


def test_a_lot_of_another_account_is_not_touched_by_its_name(house: House) -> None:
    house.must(mine := grant("mine", 10, 5), theirs := grant("theirs", 10, 5, to="bob"))

    house.must(spend(1, 4, lot_of=theirs))

    assert (left(house), left(house, "bob")) == ({"mine": 6}, {"theirs": 10})
    house.must(spend(2, 4, by="bob", lot_of=mine))
    assert left(house, "bob") == {"theirs": 6}


def test_points_without_terms_never_expire_and_have_the_template_as_source(house: House) -> None:
    house.must(chain("gift:1", transfer("mint", "alice", 5)))

    assert house.lots("alice") == [LotView("gift", None, 5, 5)]


def test_from_one_driver_to_another_points_become_a_lot_of_their_own(house: House) -> None:
    house.must(
        grant("soon", 10, 1), chain("present", transfer("alice", "bob", 4, lot=LotTerms("alice", NOON + DAY)))
    )

    assert left(house) == {"soon": 6}
    assert house.lots("bob") == [LotView("alice", NOON + DAY, 4, 4)]


def test_holds_reserve_no_lots_and_captures_take_them(house: House) -> None:
    held = chain("h", hold("alice", "shop", 6, expires_at=None))
    other = chain("o", hold("alice", "shop", 2, expires_at=None))
    house.must(grant("soon", 10, 1), held, other)
    assert left(house) == {"soon": 10}

    house.must(chain("c", capture(held.key, 5)), chain("r", release(other.key)))

    assert left(house) == {"soon": 5}


def test_a_captured_credit_makes_the_lot_that_the_capture_says(house: House) -> None:
    held = chain("h", hold("mint", "alice", 8, expires_at=None))
    house.must(held)
    assert house.lots("alice") == []

    house.must(chain("c", capture(held.key, 5, lot=LotTerms("campaign", NOON + DAY))))

    assert house.lots("alice") == [LotView("campaign", NOON + DAY, 5, 5)]


# Refunds.


def test_a_refund_brings_points_back_as_they_were_the_last_consumed_first(house: House) -> None:
    house.must(grant("soon", 10, 1), grant("late", 10, 9), bought := spend(1, 15))
    assert left(house) == {"late": 5}

    house.must(refund(1, bought, 3))
    assert house.lots("alice") == [
        LotView("late", NOON + 9 * DAY, 10, 5),
        LotView("late", NOON + 9 * DAY, 3, 3),
    ]

    house.must(refund(2, bought, 12))
    assert left(house) == {"late": 10, "soon": 10}
    assert {lot.expires_at for lot in house.lots("alice") if lot.source == "soon"} == {NOON + DAY}


def test_refunds_together_bring_back_each_use_once_and_anything_beyond_is_an_ordinary_lot(
    house: House,
) -> None:
    house.must(grant("soon", 10, 1), grant("stock", 10, to="bob"), bought := spend(1, 10))
    house.must(spend("bob", 10, by="bob"))

    verdicts = house.post(refund(1, bought, 7), refund(2, bought, 7))
    assert {one.status for one in verdicts} == {Status.POSTED}
    house.must(refund(3, bought, 1))

    assert left(house) == {"soon": 10, "refund": 5}
    assert sorted(lot.expires_at is None for lot in house.lots("alice")) == [False, False, True, True]


def test_a_refund_of_a_refund_follows_the_points_further(house: House) -> None:
    house.must(grant("soon", 10, 1), first := spend(1, 10), refund(1, first, 10))
    house.must(second := spend(2, 10), refund(2, second, 10))

    assert left(house) == {"soon": 10}


def test_what_a_purchase_of_this_batch_consumed_is_brought_back_in_this_batch(house: House) -> None:
    house.must(grant("soon", 10, 1))
    bought = spend(1, 6)

    verdicts = house.post(bought, refund(1, bought, 6))

    assert {one.status for one in verdicts} == {Status.POSTED}
    assert left(house) == {"soon": 10}


def test_a_refund_of_what_never_was_is_an_ordinary_lot(house: House) -> None:
    house.must(grant("soon", 10, 1), spend(1, 10), refund(1, chain("no such", transfer("a", "b", 1)), 4))

    assert left(house) == {"refund": 4}


# Refused chains.


def test_a_refused_chain_leaves_the_lots_as_they_were(house: House) -> None:
    house.must(grant("soon", 10, 1), bought := spend(1, 4))
    too_much = transfer("shop", "mint", 10**6)
    whole = chain(
        "whole",
        transfer("alice", "shop", 6),
        transfer("mint", "alice", 9, lot=LotTerms("new", NOON + DAY)),
        transfer("alice", "bob", 2),
        transfer("shop", "alice", 4, restores=bought.key),
        too_much,
    )

    verdicts = house.post(whole, refund(1, bought, 4), spend(2, 7), chain("poor", too_much))

    assert [one.status for one in verdicts] == [
        Status.INSUFFICIENT,
        Status.POSTED,
        Status.POSTED,
        Status.INSUFFICIENT,
    ]
    assert left(house) == {"soon": 3}
    assert left(house, "bob") == {}


# Below zero.


def test_a_debt_is_paid_from_the_next_points_at_once(house: House) -> None:
    house.must(grant("some", 10, 9, to="carol"), spend(1, 40, by="carol"))
    assert (house.posted("carol"), left(house, "carol")) == ([-30], {})

    house.must(grant("part", 20, 9, to="carol"))
    assert (house.posted("carol"), left(house, "carol")) == ([-10], {})

    house.must(grant("more", 25, 9, to="carol"))
    assert (house.posted("carol"), left(house, "carol")) == ([15], {"more": 15})


def test_a_refund_into_a_debt_pays_it_from_what_comes_back_soonest_expiry_first(house: House) -> None:
    house.must(
        grant("late", 10, 9, to="carol"),
        grant("soon", 10, 1, to="carol"),
        bought := spend(1, 20, by="carol"),
        spend(2, 15, by="carol"),
    )

    house.must(refund(1, bought, 20, to="carol"))

    assert (house.posted("carol"), left(house, "carol")) == ([5], {"late": 5})


def test_a_debt_has_its_floor(house: House) -> None:
    assert house.status(spend(1, 51, by="carol")) is Status.INSUFFICIENT
    assert house.status(spend(1, 50, by="carol")) is Status.POSTED


# Many lots.


@pytest.mark.parametrize("lots", [15, 16, 17, 140])
def test_however_many_lots_there_are_all_of_them_can_be_spent(house: House, lots: int) -> None:
    house.post(*(grant(f"g{number}", 1, None if number % 5 == 0 else number) for number in range(lots)))

    house.must(spend("most", lots - 1))
    assert house.posted("alice") == [1]
    house.must(spend("rest", 1))

    assert house.lots("alice") == []
    assert house.rows(select(func.count(model.lot_use.c.id)))[0][0] == lots
