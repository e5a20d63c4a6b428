"""Finds the bad rows of a batch that was refused as a whole: halves are asked about on their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
A = TypeVar("A")

CALLS_MAX: Final = 32
"""One bad row among a hundred is found by fifteen; what is not found now goes with the next round."""


@dataclass(frozen=True, slots=True)
class Part(Generic[T, A]):
    """Some rows, and what one call came to for all of them."""

    rows: Sequence[T]
    outcome: Outcome[A]


def halved(rows: Sequence[T], ask: Callable[[Sequence[T]], Outcome[A]]) -> list[Part[T, A]]:
    """Ask about rows, about halves of what was refused and so on; every row is in one part.

    When not one row is taken and more than one is refused, it is nobody's row that is wrong: those parts
    come back as `Misconfigured`.
    """
    waiting: list[Sequence[T]] = [rows] if rows else []
    found: list[Part[T, A]] = []
    stopped: Outcome[A] | None = None
    calls = 0
    while waiting:
        part = waiting.pop()
        if stopped is None and calls == CALLS_MAX:
            stopped = RetryLater("too-many-refusals")
        if stopped is not None:
            found.append(Part(part, stopped))
            continue
        outcome = ask(part)
        calls += 1
        if isinstance(outcome, Refused) and len(part) > 1:
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]
            continue
        found.append(Part(part, outcome))
        if not isinstance(outcome, Ok | Refused):
            # Held back, lost or out of order: the other rows would meet the same.
            stopped = RetryLater(outcome.code) if not isinstance(outcome, RetryLater) else outcome
    return _judged(found)


def _judged(found: list[Part[T, A]]) -> list[Part[T, A]]:
    refused = [one for one in found if isinstance(one.outcome, Refused)]
    if len(refused) < 2 or any(isinstance(one.outcome, Ok) for one in found):  # noqa: PLR2004 - more than one
        return found
    return [
        Part(one.rows, Misconfigured(one.outcome.code)) if isinstance(one.outcome, Refused) else one
        for one in found
    ]
