"""What happens at Open Charge Map without a call of it: people add, change and remove points."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from nerava.simulators.errors import NoSuchThing
from nerava.simulators.moments import ByHand, lets_happen

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from nerava.simulators.ocm.engine import OcmEngine
    from nerava.simulators.wire import Json


class OcmByHand(ByHand):
    """What a test holds of the simulated Open Charge Map."""

    def __init__(self, ocm: OcmEngine, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self._ocm = ocm

    @property
    def key(self) -> str:
        """Our key; drawn anew by every reset."""
        return self._ocm.state.key

    def points(self) -> list[Json]:
        """Return copies of all points."""
        with self.moment():
            return copy.deepcopy(list(self._ocm.state.points.values()))

    @lets_happen
    def change(self, /, point: int, **fields: object) -> Json:
        """Change fields of a point."""
        found = self._known(point)
        found |= fields
        return found

    @lets_happen
    def remove(self, point: int) -> Json:
        """Remove a point."""
        self._known(point)
        return self._ocm.state.points.pop(point)

    def _known(self, point: int) -> Json:
        if point not in self._ocm.state.points:
            raise NoSuchThing(f"there is no point {point}")
        return self._ocm.state.points[point]
