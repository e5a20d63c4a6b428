"""Makes areas of sea out of coastlines: lines with water on their right, cut by the border of an extract.

Where a coastline leaves the box, the area of water goes on along the border, clockwise, to the next place
where a coastline comes in (M2). Ends that the extract has lost lie somewhere inside of it; they are led
to the nearest point of the border. Closed coastlines are islands, and holes in the sea around them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.discovery.vector_tile import doubled_area

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nerava.kernel.geography import Box

XY = tuple[float, float]
_NEAR: Final = 1e-9


def sea_of(lines: Iterable[Sequence[XY]], box: Box) -> tuple[list[list[XY]], list[list[XY]]]:
    """Return outlines of the sea and the islands in it; points are longitude and latitude.

    `lines` are coastlines as they are mapped. Without any, nothing is sea: whether an extract lies in
    the middle of an ocean cannot be told.
    """
    islands: list[list[XY]] = []
    runs: list[list[XY]] = []
    for line in _joined(lines):
        if line[0] == line[-1]:
            islands.append(line)
        else:
            runs += _inside(line, box)
    if not runs:
        return [], islands
    led = [[_on_border(run[0], box), *run, _on_border(run[-1], box)] for run in runs]
    return _closed(led, box), islands


def _joined(lines: Iterable[Sequence[XY]]) -> list[list[XY]]:
    """Join lines where one ends and another begins."""
    open_ends: dict[XY, list[XY]] = {}
    done: list[list[XY]] = []
    waiting = [list(line) for line in lines if len(line) > 1]
    for line in waiting:
        open_ends[line[0]] = line
    used: set[int] = set()
    followers = {id(open_ends[line[-1]]) for line in waiting if line[-1] in open_ends}
    for line in sorted(waiting, key=lambda one: id(one) in followers):
        if id(line) in used:
            continue
        used.add(id(line))
        whole = list(line)
        while (following := open_ends.get(whole[-1])) is not None and id(following) not in used:
            used.add(id(following))
            whole += following[1:]
        done.append(whole)
    return done


def _inside(line: Sequence[XY], box: Box) -> list[list[XY]]:
    """Return the runs of a line within the box, cut at its border."""
    runs: list[list[XY]] = [[]]
    for number, point in enumerate(line):
        if number:
            crossings = sorted(_crossings(line[number - 1], point, box))
            for _, crossing in crossings:
                runs[-1].append(crossing)
                if len(runs[-1]) > 1 and not _is_in(point, box):
                    runs.append([])
        if _is_in(point, box):
            runs[-1].append(point)
    return [run for run in runs if len(run) > 1]


def _crossings(one: XY, other: XY, box: Box) -> Iterable[tuple[float, XY]]:
    dx, dy = other[0] - one[0], other[1] - one[1]
    for axis, bound in ((0, box.west), (0, box.east), (1, box.south), (1, box.north)):
        delta = (dx, dy)[axis]
        if delta == 0:
            continue
        share = (bound - one[axis]) / delta
        at = (one[0] + share * dx, one[1] + share * dy)
        if 0 < share < 1 and _is_in(at, box):
            yield share, at


def _is_in(point: XY, box: Box) -> bool:
    across = box.west - _NEAR <= point[0] <= box.east + _NEAR
    return across and box.south - _NEAR <= point[1] <= box.north + _NEAR


def _on_border(point: XY, box: Box) -> XY:
    x, y = point
    return min(
        (abs(x - box.west), (box.west, y)),
        (abs(x - box.east), (box.east, y)),
        (abs(y - box.south), (x, box.south)),
        (abs(y - box.north), (x, box.north)),
    )[1]


def _along(point: XY, box: Box) -> float:
    """Return how far along the border a point is, clockwise from the north-west corner, 0 to 4."""
    x, y = point
    wide, high = box.east - box.west, box.north - box.south
    if abs(y - box.north) <= _NEAR:
        return (x - box.west) / wide
    if abs(x - box.east) <= _NEAR:
        return 1 + (box.north - y) / high
    if abs(y - box.south) <= _NEAR:
        return 2 + (box.east - x) / wide
    return 3 + (y - box.south) / high


def _closed(runs: list[list[XY]], box: Box) -> list[list[XY]]:
    corners = {
        0: (box.west, box.north), 1: (box.east, box.north), 2: (box.east, box.south), 3: (box.west, box.south)
    }  # fmt: skip
    left = dict(enumerate(runs))
    outlines: list[list[XY]] = []
    while left:
        first, outline = left.popitem()
        start = _along(runs[first][0], box)
        outline = list(outline)
        while True:
            end = _along(outline[-1], box)
            begins = {number: (_along(run[0], box) - end) % 4 for number, run in left.items()}
            home = (start - end) % 4
            nearest = min(begins, key=lambda number: begins[number], default=None)
            stop = home if nearest is None or begins[nearest] >= home else begins[nearest]
            for step in range(1, 5):
                corner = (int(end) + step) % 4
                if (corner - end) % 4 < stop:
                    outline.append(corners[corner])
            if nearest is None or begins[nearest] >= home:
                break
            outline += left.pop(nearest)
        if doubled_area(outline):
            outlines.append(outline)
    return outlines
