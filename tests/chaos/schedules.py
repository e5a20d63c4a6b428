"""Which of the many orders of two transactions' steps are tried."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

Schedule = tuple[int, ...]
"""Whose step it is, 0 or 1, one after the other."""


def schedules(first: int, second: int, limit: int, rng: Random) -> list[Schedule]:
    """Return orders of `first` steps of one and `second` of the other, at most `limit`, none twice.

    All of them where there are no more; else both serial ones, both that alternate, and the rest
    by chance.
    """
    steps = first + second
    if math.comb(steps, first) <= limit:
        return [_order(steps, places) for places in combinations(range(steps), first)]
    serial = (0,) * first + (1,) * second
    chosen = dict.fromkeys(
        [serial, serial[::-1], _alternating(first, second, 0), _alternating(first, second, 1)]
    )
    while len(chosen) < limit:
        chosen[_order(steps, rng.sample(range(steps), first))] = None
    return list(chosen)[:limit]


def _order(steps: int, places_of_first: tuple[int, ...] | list[int]) -> Schedule:
    places = set(places_of_first)
    return tuple(0 if place in places else 1 for place in range(steps))


def _alternating(first: int, second: int, begins: int) -> Schedule:
    left = [first, second]
    order: list[int] = []
    who = begins
    while any(left):
        if left[who]:
            order.append(who)
            left[who] -= 1
        who = 1 - who
    return tuple(order)
