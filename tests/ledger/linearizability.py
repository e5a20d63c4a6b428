"""Whether calls on one small thing can have taken effect one after the other (Wing and Gong).

For things without a sequence: codes, tokens, counters, limits. The search remembers what it has
tried, as calls done and the state they led to, so it ends quickly on slices of up to 200 calls.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final, NamedTuple

from tests.ledger.history import NEVER

SLICE_MAX: Final = 200
UNKNOWN: Final = "unknown"
"""The answer of a call whose client never heard one: it may have happened at any time, or not at all."""

Step = Callable[[Hashable, Hashable, Hashable], Iterable[Hashable]]
"""From a state, what was asked and what was answered: the states it can lead to; none if it cannot be."""


class Call(NamedTuple):
    """One call as its client saw it; `end_ns` is `NEVER` and `answer` is `UNKNOWN` without an answer."""

    start_ns: int
    end_ns: int
    asked: Hashable
    answer: Hashable


class Model(NamedTuple):
    """A thing by its first state and what each call does to it."""

    start: Hashable
    step: Step


def linearization(calls: Sequence[Call], model: Model) -> list[Call] | None:
    """Return the calls in an order that explains every answer, or None when there is none.

    Raises:
        ValueError: More calls than the search is made for.
    """
    if len(calls) > SLICE_MAX:
        raise ValueError(f"{len(calls)} calls are more than {SLICE_MAX}")
    answered = sum(1 << place for place, one in enumerate(calls) if one.end_ns != NEVER)
    tried: set[tuple[int, Hashable]] = {(0, model.start)}
    path: list[int] = []
    work = [_next(calls, model, 0, model.start)]
    done = 0
    while work:
        if done & answered == answered:
            return [calls[place] for place in path]
        for place, state in work[-1]:
            if (done | 1 << place, state) not in tried:
                done |= 1 << place
                tried.add((done, state))
                path.append(place)
                work.append(_next(calls, model, done, state))
                break
        else:
            work.pop()
            if path:
                done &= ~(1 << path.pop())
    return None


def _next(calls: Sequence[Call], model: Model, done: int, state: Hashable) -> Iterable[tuple[int, Hashable]]:
    """Yield each call that can come next, none before one that was answered before it began."""
    left = [place for place in range(len(calls)) if not done >> place & 1]
    first_end = min((calls[place].end_ns for place in left), default=NEVER)
    for place in left:
        if calls[place].start_ns <= first_end:
            for after in model.step(state, calls[place].asked, calls[place].answer):
                yield place, after


def register(start: Hashable = None) -> Model:
    """Return a value that is read, written, or replaced where it is what is expected.

    Asked is `("read",)`, `("write", value)` or `("replace", expected, value)`; a write is answered
    with None, a replacement with whether it happened.
    """

    def step(state: Hashable, asked: Hashable, answer: Hashable) -> Iterable[Hashable]:
        match asked:
            case ("read",):
                return [state] if answer in {state, UNKNOWN} else []
            case ("write", value):
                return [value]
            case ("replace", expected, value):
                after = value if state == expected else state
                return [after] if answer in {state == expected, UNKNOWN} else []
        raise ValueError(f"a register cannot {asked}")

    return Model(start, step)


def limited_counter(most: int) -> Model:
    """Return a count that never passes `most`: `("take", n)` says whether it fitted, `("read",)` how many."""

    def step(state: Hashable, asked: Hashable, answer: Hashable) -> Iterable[Hashable]:
        taken = state if isinstance(state, int) else 0
        match asked:
            case ("read",):
                return [taken] if answer in {taken, UNKNOWN} else []
            case ("take", int(amount)):
                fits = taken + amount <= most
                return [taken + amount if fits else taken] if answer in {fits, UNKNOWN} else []
        raise ValueError(f"a counter cannot {asked}")

    return Model(0, step)


def single_use() -> Model:
    """Return a code or token: `("use",)` is answered with True once and with False ever after."""
    one = limited_counter(1)

    def step(state: Hashable, asked: Hashable, answer: Hashable) -> Iterable[Hashable]:
        if asked != ("use",):
            raise ValueError(f"a code cannot {asked}")
        return one.step(state, ("take", 1), answer)

    return Model(0, step)
