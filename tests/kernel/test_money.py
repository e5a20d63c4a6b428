"""Splitting money: parts are always exactly the whole, and a fee is never drawn on twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerava.kernel.money import (
    BadAmount,
    ClosedFee,
    FeeRate,
    Split,
    close_fee,
    prorate,
    share_bps,
    split_fee,
)

if TYPE_CHECKING:
    from collections.abc import Callable

amounts = st.integers(0, 10**15)
rates = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("gross", "bps", "net", "fee"),
    [
        (10_000, 2_000, 8_000, 2_000),
        (999, 2_000, 800, 199),
        (4, 2_000, 4, 0),
        (5, 2_000, 4, 1),
        (6_667, 1_500, 5_667, 1_000),
        (0, 2_000, 0, 0),
        (7, 0, 7, 0),
        (7, 10_000, 0, 7),
    ],
)
def test_a_fee_lies_inside_the_gross_and_is_rounded_down(gross: int, bps: int, net: int, fee: int) -> None:
    assert split_fee(gross, bps) == Split(net=net, fee=fee)


@settings(deadline=None)
@given(amounts, rates)
def test_the_parts_of_a_split_are_the_whole(gross: int, bps: int) -> None:
    net, fee = split_fee(gross, bps)

    assert net + fee == gross
    assert 0 <= fee * 10_000 <= gross * bps < (fee + 1) * 10_000


@settings(deadline=None)
@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**9), min_size=1))
def test_prorated_parts_of_a_whole_never_add_up_to_more_than_the_amount(
    amount: int, parts: list[int]
) -> None:
    whole = sum(parts) or 1

    shares = [prorate(amount, part, whole) for part in parts]

    assert amount - len(parts) < sum(shares) <= amount or sum(parts) == 0
    assert prorate(amount, whole, whole) == amount


@pytest.mark.parametrize(
    "split",
    [
        lambda: share_bps(-1, 2_000),
        lambda: share_bps(1.5, 2_000),  # type: ignore[arg-type]
        lambda: share_bps(True, 2_000),
        lambda: share_bps(100, -1),
        lambda: share_bps(100, 10_001),
        lambda: split_fee(-1, 0),
        lambda: prorate(1, 0, 0),
        lambda: prorate(1, 3, 2),
        lambda: prorate(1, -1, 2),
        lambda: prorate(1, 1, -2),
        lambda: FeeRate(1, 4).share(-1),
        lambda: FeeRate.of([]),
        lambda: FeeRate.of([Split(net=0, fee=4)]),
        lambda: FeeRate.of([Split(net=4, fee=-1)]),
        lambda: close_fee(-1, 0, [Split(80, 20)]),
        lambda: close_fee(1, -1, [Split(80, 20)]),
        lambda: close_fee(1, 0, []),
    ],
)
def test_what_cannot_be_split_is_refused(split: Callable[[], object]) -> None:
    with pytest.raises(BadAmount) as refused:
        split()

    assert (refused.value.code, refused.value.status) == ("bad-amount", 422)


def test_a_refusal_names_the_amount() -> None:
    with pytest.raises(BadAmount, match=r"^amount must be a whole number of at least 0, not -1$"):
        prorate(-1, 1, 2)
    with pytest.raises(BadAmount, match=r"^part must .* not -1$"):
        prorate(1, -1, 2)
    with pytest.raises(BadAmount, match=r"^whole must .* not -2$"):
        prorate(1, 1, -2)
    with pytest.raises(BadAmount, match=r"^3 is no part of 2$"):
        prorate(1, 3, 2)
    with pytest.raises(BadAmount, match=r"^value must "):
        FeeRate(1, 4).share(-1)
    with pytest.raises(BadAmount, match=r"^fee left must "):
        close_fee(-1, 0, [Split(80, 20)])
    with pytest.raises(BadAmount, match=r"^every funding needs a net amount above 0 "):
        FeeRate.of([])


def test_a_grant_earns_the_platform_its_part_of_the_fee() -> None:
    rate = FeeRate.of([split_fee(10_000, 2_000)])

    assert rate.share(8_000) == 2_000
    assert rate.share(25) == 6
    assert rate.share(3) == 0
    assert FeeRate.of([Split(net=5, fee=0)]).share(5) == 0
    assert FeeRate.of([Split(net=1, fee=4)]).share(1) == 4


def test_a_budget_filled_twice_earns_at_the_lower_rate() -> None:
    assert FeeRate.of([Split(80, 20), Split(90, 10)]) == FeeRate(fee=10, net=90)
    assert FeeRate.of([Split(90, 10), Split(80, 20)]) == FeeRate(fee=10, net=90)


@pytest.mark.parametrize(
    ("fee_left", "budget_left", "fundings", "closed"),
    [
        (2_000, 8_000, [Split(8_000, 2_000)], ClosedFee(refunded=2_000, earned=0)),
        (3, 0, [Split(8_000, 2_000)], ClosedFee(refunded=0, earned=3)),
        (507, 2_001, [Split(8_000, 2_000)], ClosedFee(refunded=500, earned=7)),
        (10, 90, [Split(80, 20), Split(90, 10)], ClosedFee(refunded=10, earned=0)),
        (30, 170, [Split(80, 20), Split(90, 10)], ClosedFee(refunded=30, earned=0)),
        (30, 200, [Split(80, 20), Split(90, 10)], ClosedFee(refunded=30, earned=0)),
    ],
)
def test_a_closed_budget_gives_back_the_fee_of_what_it_did_not_spend(
    fee_left: int, budget_left: int, fundings: list[Split], closed: ClosedFee
) -> None:
    assert close_fee(fee_left, budget_left, fundings) == closed


@st.composite
def campaigns(draw: st.DrawFn) -> tuple[list[Split], list[int | Split]]:
    """A first funding, then grants (as a part of 1000 of what is left) and top-ups in any order."""
    fundings = st.builds(split_fee, st.integers(1, 5_000), st.integers(0, 9_000)).filter(
        lambda one: one.net > 0
    )
    return [draw(fundings)], draw(st.lists(st.integers(1, 1_000) | fundings, max_size=30))


@settings(deadline=None)
@given(campaigns())
def test_no_grant_that_the_budget_can_pay_lacks_its_fee_and_all_of_the_fee_finds_an_owner(
    campaign: tuple[list[Split], list[int | Split]],
) -> None:
    fundings, steps = campaign
    budget, fee = fundings[0]
    earned = 0
    for step in steps:
        if isinstance(step, Split):
            fundings.append(step)
            budget, fee = budget + step.net, fee + step.fee
            continue
        value = budget * step // 1_000
        share = FeeRate.of(fundings).share(value)
        budget, fee, earned = budget - value, fee - share, earned + share
        assert fee >= 0
    closed = close_fee(fee, budget, fundings)
    assert min(closed) >= 0
    assert earned + closed.refunded + closed.earned == sum(one.fee for one in fundings)
    assert budget > 0 or closed.refunded == 0


@settings(deadline=None)
@given(st.integers(1, 10**6), rates, st.lists(st.integers(1, 10**4), max_size=30))
def test_of_one_funding_the_sponsor_gets_back_exactly_the_part_that_was_not_spent(
    gross: int, bps: int, grants: list[int]
) -> None:
    funding = split_fee(gross, bps)
    if funding.net == 0:
        return
    rate, budget, fee = FeeRate.of([funding]), funding.net, funding.fee
    for value in (min(one, budget) for one in grants):
        budget, fee = budget - value, fee - rate.share(value)
        if budget == 0:
            break

    assert close_fee(fee, budget, [funding]).refunded == funding.fee * budget // funding.net
