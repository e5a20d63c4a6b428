"""Cells of the globe: one whole number per place, so that what is near stands near in one index.

A cell is a square of the web map at zoom 20, about 38 m at the equator, numbered along the Z-curve
(Morton order): a square of any coarser zoom is one unbroken range of cells. A box is covered by a few
such ranges; an index over the number then finds what is in it, on both databases alike.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, and_, or_

from nerava.kernel.geography import Point

if TYPE_CHECKING:
    from nerava.kernel.geography import Box

ZOOM: Final = 20
CELL_MAX: Final = 4**ZOOM - 1
SQUARES_MAX: Final = 4
"""Into how many squares a side of a box is cut, at most and about."""

_MERCATOR_LATITUDE_MAX: Final = 85.0511287
_SPREAD: Final = tuple(
    sum(1 << (2 * bit) for bit in range(10) if number >> bit & 1) for number in range(1 << 10)
)


def square_of(point: Point, zoom: int) -> tuple[int, int]:
    """Return column and row of the web map's square that holds a point; beyond 85° the outermost row."""
    side = 1 << zoom
    latitude = math.radians(max(-_MERCATOR_LATITUDE_MAX, min(_MERCATOR_LATITUDE_MAX, point.latitude)))
    column = int((point.longitude + 180) / 360 * side)
    row = int((1 - math.asinh(math.tan(latitude)) / math.pi) / 2 * side)
    return max(0, min(side - 1, column)), max(0, min(side - 1, row))


def cell_of(point: Point) -> int:
    """Return the cell that holds a point."""
    return _along_the_curve(*square_of(point, ZOOM))


def cells_of_square(column: int, row: int, zoom: int) -> tuple[int, int]:
    """Return the first and the last cell of a square of a zoom that is not finer than the cells."""
    shift = 2 * (ZOOM - zoom)
    first = _along_the_curve(column, row) << shift
    return first, first + (1 << shift) - 1


def ranges_of(box: Box) -> list[tuple[int, int]]:
    """Return ranges of cells (both ends included) that cover a box, in rising order and apart."""
    parts = [(box.west, box.east)] if box.west <= box.east else [(box.west, 180.0), (-180.0, box.east)]
    ranges: list[tuple[int, int]] = []
    for west, east in parts:
        ranges += _ranges_of(box.south, box.north, west, east)
    return _joined(sorted(ranges))


def inside(columns: Any, box: Box) -> ColumnElement[bool]:  # noqa: ANN401 - any table with these three columns
    """Return the condition that a row with `cell`, `latitude` and `longitude` lies in a box."""
    if box.west <= box.east:
        across = columns.longitude.between(box.west, box.east)
    else:
        across = or_(columns.longitude >= box.west, columns.longitude <= box.east)
    near = or_(*(columns.cell.between(first, last) for first, last in ranges_of(box)))
    return and_(near, columns.latitude.between(box.south, box.north), across)


def _ranges_of(south: float, north: float, west: float, east: float) -> list[tuple[int, int]]:
    for zoom in range(ZOOM, -1, -1):
        left, top = square_of(Point(north, west), zoom)
        right, bottom = square_of(Point(south, east), zoom)
        if right - left < SQUARES_MAX and bottom - top < SQUARES_MAX:
            return [
                cells_of_square(column, row, zoom)
                for column in range(left, right + 1)
                for row in range(top, bottom + 1)
            ]
    message = "the whole world is one square"
    raise AssertionError(message)


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _along_the_curve(column: int, row: int) -> int:
    return (
        _SPREAD[column & 1023]
        | _SPREAD[column >> 10] << 20
        | (_SPREAD[row & 1023] | _SPREAD[row >> 10] << 20) << 1
    )


def point_of_cell(cell: int) -> Point:
    """Return the north-west corner of a cell."""
    column = sum((cell >> (2 * bit) & 1) << bit for bit in range(ZOOM))
    row = sum((cell >> (2 * bit + 1) & 1) << bit for bit in range(ZOOM))
    side = 1 << ZOOM
    latitude = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * row / side))))
    return Point(latitude, column / side * 360 - 180)
