"""NLR has no boxes: circles that hold a box, none of them too wide, and what of them lies in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.kernel.geography import Box, Point, metres_between

if TYPE_CHECKING:
    from collections.abc import Iterator

METRES_IN_MILE: Final = 1_609.344
RADIUS_MILES_MAX: Final = 500.0
WIDER: Final = 1.01
"""One per cent more than the farthest corner, for the difference between their globe and ours."""

NORTH_POLE: Final = 90.0
HALF_TURN: Final = 180.0


class Circle(NamedTuple):
    """A circle that holds a box which does not cross the 180th meridian."""

    centre: Point
    radius_miles: float
    box: Box


def circles_of(box: Box) -> Iterator[Circle]:
    """Yield circles that hold a box: one on each side of the 180th meridian, halves of what is too wide."""
    if box.west > box.east:
        yield from circles_of(Box(box.south, box.north, box.west, HALF_TURN))
        yield from circles_of(Box(box.south, box.north, -HALF_TURN, box.east))
        return
    centre = Point((box.south + box.north) / 2, (box.west + box.east) / 2)
    miles = _radius_m(box, centre) * WIDER / METRES_IN_MILE
    if miles <= RADIUS_MILES_MAX:
        # A box that is a point has a circle, too.
        yield Circle(centre, round(max(miles, 0.05), 3), box)
        return
    for half in _halves(box, centre):
        yield from circles_of(half)


def is_in(box: Box, point: Point) -> bool:
    """Say whether a point lies in a box. North and east edges belong to the next box, if there is one."""
    if point.latitude < box.south or (point.latitude >= box.north and box.north < NORTH_POLE):
        return False
    if box.west <= box.east:
        is_last = box.east >= HALF_TURN
        return box.west <= point.longitude and (point.longitude < box.east or is_last)
    return point.longitude >= box.west or point.longitude < box.east


def _radius_m(box: Box, centre: Point) -> float:
    # The farthest point of an edge is not always a corner: near a pole the middle of the edge is as far.
    across = (box.west, centre.longitude, box.east)
    return max(
        metres_between(centre, Point(latitude, longitude))
        for latitude in (box.south, centre.latitude, box.north)
        for longitude in across
    )


def _halves(box: Box, centre: Point) -> tuple[Box, Box]:
    width = metres_between(Point(centre.latitude, box.west), Point(centre.latitude, centre.longitude))
    height = metres_between(Point(box.south, centre.longitude), centre)
    if width > height:
        return box._replace(east=centre.longitude), box._replace(west=centre.longitude)
    return box._replace(north=centre.latitude), box._replace(south=centre.latitude)
