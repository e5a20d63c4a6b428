"""The linearizability search accepts known good histories and rejects known bad ones."""

from __future__ import annotations

import random
import time

import pytest

from tests.ledger.history import NEVER
from tests.ledger.linearizability import (
    SLICE_MAX,
    UNKNOWN,
    Call,
    Model,
    limited_counter,
    linearization,
    register,
    single_use,
)

READ = ("read",)


def write(value: int) -> tuple[str, int]:
    return ("write", value)


def take(amount: int) -> tuple[str, int]:
    return ("take", amount)


GOOD: dict[str, tuple[Model, list[Call]]] = {
    "nothing happened": (register(), []),
    "one after the other": (register(), [Call(0, 1, write(1), None), Call(2, 3, READ, 1)]),
    "a read beside a write saw the old": (register(0), [Call(0, 9, write(1), None), Call(1, 2, READ, 0)]),
    "a read beside a write saw the new": (register(0), [Call(0, 9, write(1), None), Call(1, 2, READ, 1)]),
    "an answer and a question at one instant overlap": (
        register(0),
        [Call(0, 5, write(1), None), Call(5, 6, READ, 0)],
    ),
    "two writes in either order": (
        register(0),
        [
            Call(0, 9, write(1), None),
            Call(0, 9, write(2), None),
            Call(10, 11, READ, 1),
        ],
    ),
    "a lost answer that took effect": (
        register(0),
        [Call(0, NEVER, write(1), UNKNOWN), Call(5, 6, READ, 0), Call(7, 8, READ, 1)],
    ),
    "a lost answer that took none": (
        register(0),
        [Call(0, NEVER, write(1), UNKNOWN), Call(5, 6, READ, 0), Call(7, 8, READ, 0)],
    ),
    "one of two replacements": (
        register(0),
        [Call(0, 9, ("replace", 0, 1), True), Call(0, 9, ("replace", 0, 2), False), Call(10, 11, READ, 1)],
    ),
    "a code used once by the later caller": (
        single_use(),
        [Call(0, 9, ("use",), False), Call(1, 8, ("use",), True)],
    ),
    "a limit reached exactly": (
        limited_counter(5),
        [Call(0, 9, take(3), True), Call(0, 9, take(3), False), Call(0, 9, take(2), True)],
    ),
    "a lost answer that used the limit up": (
        limited_counter(3),
        [Call(0, NEVER, take(3), UNKNOWN), Call(5, 6, take(1), False)],
    ),
}

BAD: dict[str, tuple[Model, list[Call]]] = {
    "a wrong read": (register(0), [Call(0, 1, write(1), None), Call(2, 3, READ, 2)]),
    "a stale read": (register(0), [Call(0, 1, write(1), None), Call(2, 3, READ, 0)]),
    "the new and then the old again": (
        register(0),
        [Call(0, 9, write(1), None), Call(1, 2, READ, 1), Call(3, 4, READ, 0)],
    ),
    "two readers that disagree on the order": (
        register(0),
        [
            Call(0, 4, write(1), None),
            Call(0, 4, write(2), None),
            Call(5, 6, READ, 1),
            Call(7, 8, READ, 2),
        ],
    ),
    "a lost answer that took effect and then did not": (
        register(0),
        [Call(0, NEVER, write(1), UNKNOWN), Call(5, 6, READ, 1), Call(7, 8, READ, 0)],
    ),
    "both replacements": (
        register(0),
        [Call(0, 9, ("replace", 0, 1), True), Call(0, 9, ("replace", 0, 2), True)],
    ),
    "a code used twice": (single_use(), [Call(0, 9, ("use",), True), Call(1, 8, ("use",), True)]),
    "a code refused before anybody used it": (
        single_use(),
        [Call(0, 1, ("use",), False), Call(2, 3, ("use",), True)],
    ),
    "a limit passed": (limited_counter(5), [Call(0, 9, take(3), True), Call(0, 9, take(3), True)]),
    "a limit that refused too early": (
        limited_counter(5),
        [Call(0, 1, take(3), True), Call(2, 3, take(2), False)],
    ),
    "a take that was lost": (limited_counter(5), [Call(0, 1, take(3), True), Call(2, 3, READ, 0)]),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_is_accepted(name: str) -> None:
    model, calls = GOOD[name]
    found = linearization(calls, model)
    assert found is not None
    assert {one for one in calls if one.end_ns != NEVER} <= set(found)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_rejected(name: str) -> None:
    model, calls = BAD[name]
    assert linearization(calls, model) is None


def served(model: Model, seed: int, *, count: int = SLICE_MAX, clients: int = 8) -> list[Call]:
    """Return calls of clients that overlap, each served at one instant between start and end."""
    drawn = random.Random(seed)
    free, now, state = [0] * clients, 0, model.start
    calls = []
    for _ in range(count):
        now += drawn.randint(1, 20)
        client = drawn.randrange(clients)
        start = max(free[client], now - drawn.randint(1, 80))
        now = max(now, start)
        end = now + drawn.randint(1, 80)
        free[client] = end + 1
        asked = drawn.choice([READ, take(drawn.randint(1, 4))])
        answers = [*range(1_000)] if asked == READ else [True, False]
        for answer in answers:
            after = list(model.step(state, asked, answer))
            if after:
                state = after[0]
                calls.append(Call(start, end, asked, answer))
                break
    return calls


@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_calls_are_judged_quickly(seed: int) -> None:
    calls = served(limited_counter(300), seed)
    begun = time.process_time()
    assert linearization(calls, limited_counter(300)) is not None
    wrong = max(place for place, one in enumerate(calls) if one.asked == READ)
    read = calls[wrong]
    assert isinstance(read.answer, int)
    calls[wrong] = read._replace(answer=read.answer + 1_000)
    assert linearization(calls, limited_counter(300)) is None
    assert time.process_time() - begun < 5


def test_a_slice_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="201 calls"):
        linearization([Call(0, 1, READ, 0)] * (SLICE_MAX + 1), register(0))


@pytest.mark.parametrize("model", [register(), limited_counter(1), single_use()])
def test_a_model_refuses_what_it_does_not_know(model: Model) -> None:
    with pytest.raises(ValueError, match="cannot"):
        linearization([Call(0, 1, ("sing",), None)], model)
