"""What happens at Square without a call of its API: people ring up orders, pay, and take things back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.simulators.moments import ByHand

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from nerava.simulators.square.engine import SquareEngine


class SquareByHand(ByHand):
    """What a test holds of the simulated Square. Methods let one thing happen and return what it is about."""

    def __init__(self, square: SquareEngine, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self._square = square
