"""Chance that repeats: ids, secrets, jitter and random faults come from one seed."""

from __future__ import annotations

import random
import string
from typing import Final, TypeVar

T = TypeVar("T")

_LETTERS: Final = string.ascii_letters + string.digits


class Chance:
    """A source of chance. The same seed and the same calls give the same results."""

    def __init__(self, seed: int) -> None:
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Begin again."""
        self.seed = seed
        self._random = random.Random(seed)  # noqa: S311 - it must repeat, and it protects nothing real

    def text(self, length: int) -> str:
        """Return letters and digits."""
        return "".join(self._random.choices(_LETTERS, k=length))

    def hex(self, length: int) -> str:
        """Return hexadecimal digits."""
        return "".join(self._random.choices("0123456789abcdef", k=length))

    def happens(self, probability: float) -> bool:
        """Say whether something happens this time; draws only when it is in doubt."""
        return probability > 0 and (probability >= 1 or self._random.random() < probability)

    def between(self, low: float, high: float) -> float:
        """Return a number, each equally likely."""
        return self._random.uniform(low, high)

    def long_tailed(self, median: float) -> float:
        """Return a number that is mostly near the median and now and then many times as large."""
        return median * self._random.paretovariate(1.5)

    def shuffled(self, items: list[T]) -> list[T]:
        """Return the items in another order."""
        return self._random.sample(items, k=len(items))

    def mark(self) -> object:
        """Return where the source stands, for `go_back`."""
        return self.seed, self._random.getstate()

    def go_back(self, mark: object) -> None:
        """Stand where `mark` was taken."""
        if not isinstance(mark, tuple):
            message = "this is no mark"
            raise AssertionError(message)
        self.seed = mark[0]
        self._random.setstate(mark[1])
