"""Squares of the web map: which of them a box touches, and between which degrees they lie."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.discovery.cells import square_of
from nerava.kernel.geography import Box, Point

if TYPE_CHECKING:
    from collections.abc import Iterator

AREA_ZOOM: Final = 9
"""Squares of 78 km at the equator, 65 km at Los Angeles: one circle of some hundred sites."""


class Square(NamedTuple):
    """A square of the map; zoom 0 has one, the world."""

    zoom: int
    column: int
    row: int

    @property
    def box(self) -> Box:
        """The degrees between which it lies; the world reaches the poles, as no square of the map does."""
        if self.zoom == 0:
            return Box(-90, 90, -180, 180)
        side = 1 << self.zoom
        west, east = (column / side * 360 - 180 for column in (self.column, self.column + 1))
        return Box(_latitude(self.row + 1, side), _latitude(self.row, side), west, east)


WORLD: Final = Square(0, 0, 0)


def squares_of(box: Box, zoom: int = AREA_ZOOM) -> Iterator[Square]:
    """Yield the squares that a box touches, west to east and north to south."""
    parts = [(box.west, box.east)] if box.west <= box.east else [(box.west, 180.0), (-180.0, box.east)]
    for west, east in parts:
        left, top = square_of(Point(box.north, west), zoom)
        right, bottom = square_of(Point(box.south, east), zoom)
        for column in range(left, right + 1):
            for row in range(top, bottom + 1):
                yield Square(zoom, column, row)


def _latitude(row: int, side: int) -> float:
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * row / side))))
