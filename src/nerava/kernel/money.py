"""How whole minor units are split so that the parts are always exactly the whole."""

from __future__ import annotations

from fractions import Fraction
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.kernel.errors import NeravaError

if TYPE_CHECKING:
    from collections.abc import Iterable

BPS_WHOLE: Final = 10_000
"""Basis points in a whole: 1 bps is a hundredth of a percent."""


class BadAmount(NeravaError):
    """An amount, a part or a rate that is not a whole number within its bounds."""

    code = "bad-amount"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The amount is not possible"


class Split(NamedTuple):
    """A gross amount in its two parts, minor units; `net + fee` is the gross."""

    net: int
    fee: int


def prorate(amount: int, part: int, whole: int) -> int:
    """Return the `part / whole` of `amount` in minor units, rounded down.

    Never more than `amount`, and all of it when the part is the whole. Rounded-down shares of
    parts that make up the whole never add up to more than `amount`.

    Raises:
        BadAmount: Not whole numbers, negative, a whole of 0 or a part above it (422).
    """
    _check(amount, "amount")
    _check(part, "part")
    _check(whole, "whole")
    if whole == 0 or part > whole:
        raise BadAmount(f"{part} is no part of {whole}")
    return amount * part // whole


def share_bps(amount: int, bps: int) -> int:
    """Return `bps` ten-thousandths of `amount` in minor units, rounded down.

    Raises:
        BadAmount: The amount is negative or not whole, or bps is not within 0 and 10,000 (422).
    """
    return prorate(amount, bps, BPS_WHOLE)


def split_fee(gross: int, bps: int) -> Split:
    """Return a gross amount as a fee inside it, rounded down, and all the rest as net.

    Raises:
        BadAmount: As `share_bps` (422).
    """
    fee = share_bps(gross, bps)
    return Split(net=gross - fee, fee=fee)


class FeeRate(NamedTuple):
    """How much of a prepaid fee is earned with each unit of a budget: `fee` for every `net`.

    The share of a grant must be known without reading what was granted before, because grants
    of one budget are posted in any order and many at once. So each share is rounded down on its
    own: the shares never add up to more than the fee, the last grant of a budget is never
    refused for want of a fee, and what the rounding left, less than one unit per grant, is
    earned when the budget is closed (`close_fee`). Cumulative rounding would earn it earlier
    and needs a counter that every grant waits for.
    """

    fee: int
    net: int

    @classmethod
    def of(cls, fundings: Iterable[Split]) -> FeeRate:
        """Return the rate of a budget that was filled once or more often: its lowest.

        A rate over the totals would take from a later, cheaper funding more than it brought and
        leave the last grants without a fee to draw on.

        Raises:
            BadAmount: There is no funding, or one of them has no net or a negative fee (422).
        """
        rates = [cls(one.fee, one.net) for one in fundings]
        if not rates or any(one.net <= 0 or one.fee < 0 for one in rates):
            raise BadAmount("every funding needs a net amount above 0 and a fee that is not negative")
        return min(rates, key=lambda one: Fraction(one.fee, one.net))

    def share(self, value: int) -> int:
        """Return the fee earned with `value` of the budget in minor units, rounded down.

        Raises:
            BadAmount: The value is negative or not whole (422).
        """
        _check(value, "value")
        return value * self.fee // self.net


class ClosedFee(NamedTuple):
    """What becomes of the fee that a closed budget has left, in minor units."""

    refunded: int
    earned: int


def close_fee(fee_left: int, budget_left: int, fundings: Iterable[Split]) -> ClosedFee:
    """Divide the fee that a closed budget has left between its sponsor and the house.

    The sponsor gets back the part of the whole fee that belongs to the unspent budget, rounded
    down; the rest is earned. So a budget that nobody drew on gives all of its fee back, and with
    an exhausted one the whole fee is earned. Both parts together are always `fee_left`.

    Args:
        fee_left: What rests in the campaign's fee account.
        budget_left: What rests in its budget; a correction may have made it more than was funded.
        fundings: How every deposit into it was split.

    Raises:
        BadAmount: An amount is negative or not whole, or nothing was funded (422).
    """
    _check(fee_left, "fee left")
    funded = list(fundings)
    net = sum(one.net for one in funded)
    unearned = prorate(sum(one.fee for one in funded), min(budget_left, net), net)
    refunded = min(fee_left, unearned)
    return ClosedFee(refunded=refunded, earned=fee_left - refunded)


def _check(value: int, name: str) -> None:
    if type(value) is not int or value < 0:
        raise BadAmount(f"{name} must be a whole number of at least 0, not {value!r}")
