"""Encodes vector tiles (Mapbox Vector Tile 2.1): geometry in, bytes out, that MapLibre and others draw.

Coordinates of a tile run from 0 to 4096, x to the east and y to the south; what lies up to 64 units
outside of it is kept, so that lines and outlines join at the edges.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

EXTENT: Final = 4_096
BUFFER: Final = 64
LINE: Final = 2
POLYGON: Final = 3

XY = tuple[float, float]
Grid = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Feature:
    """Lines, or the rings of areas (outer ones clockwise on the screen, holes the other way), with tags."""

    kind: int
    parts: Sequence[Sequence[Grid]]
    tags: Mapping[str, str | int]


def simplified(points: Sequence[XY], tolerance: float) -> list[XY]:
    """Return the points of a line that are further than `tolerance` from what is left (Douglas-Peucker)."""
    if len(points) < 3:  # noqa: PLR2004 - a line has two ends
        return list(points)
    keep = bytearray(len(points))
    keep[0] = keep[-1] = 1
    spans = [(0, len(points) - 1)]
    limit = tolerance * tolerance
    while spans:
        first, last = spans.pop()
        furthest, worst = 0, limit
        for at in range(first + 1, last):
            distance = _away(points[at], points[first], points[last])
            if distance > worst:
                furthest, worst = at, distance
        if furthest:
            keep[furthest] = 1
            spans += [(first, furthest), (furthest, last)]
    return [point for point, kept in zip(points, keep, strict=True) if kept]


def clipped_line(points: Sequence[XY]) -> Iterator[list[XY]]:
    """Yield the parts of a line that lie in the tile or its buffer (Liang-Barsky, piece by piece)."""
    run: list[XY] = []
    for one, other in pairwise(points):
        piece = _clipped_piece(one, other)
        if piece is None:
            if len(run) > 1:
                yield run
            run = []
            continue
        if not run or run[-1] != piece[0]:
            if len(run) > 1:
                yield run
            run = [piece[0]]
        run.append(piece[1])
    if len(run) > 1:
        yield run


def clipped_ring(points: Sequence[XY]) -> list[XY]:
    """Return the part of a ring that lies in the tile or its buffer (Sutherland-Hodgman)."""
    low, high = -BUFFER, EXTENT + BUFFER
    ring = list(points)
    for axis, bound, keeps_above in ((0, low, True), (0, high, False), (1, low, True), (1, high, False)):
        kept: list[XY] = []
        for one, other in zip(ring, [*ring[1:], *ring[:1]], strict=True):
            one_in = one[axis] >= bound if keeps_above else one[axis] <= bound
            other_in = other[axis] >= bound if keeps_above else other[axis] <= bound
            if one_in:
                kept.append(one)
            if one_in != other_in:
                share = (bound - one[axis]) / (other[axis] - one[axis])
                kept.append((one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])))
        ring = kept
        if not ring:
            return []
    return ring


def on_grid(points: Iterable[XY], *, is_ring: bool) -> list[Grid]:
    """Return whole coordinates, without repeats; nothing where too few are left to be drawn."""
    grid: list[Grid] = []
    for x, y in points:
        at = (round(x), round(y))
        if not grid or grid[-1] != at:
            grid.append(at)
    if is_ring and len(grid) > 1 and grid[0] == grid[-1]:
        grid.pop()
    return grid if len(grid) >= (3 if is_ring else 2) else []


def turned(ring: list[Grid], *, is_outer: bool) -> list[Grid]:
    """Return a ring in the direction that says whether it is an outline or a hole; none without area."""
    area = doubled_area(ring)
    if area == 0:
        return []
    return ring if (area > 0) == is_outer else ring[::-1]


def doubled_area(ring: Sequence[tuple[float, float]]) -> float:
    """Return twice the area of a ring, above 0 where it runs clockwise on the screen."""
    return sum(
        one[0] * other[1] - other[0] * one[1] for one, other in zip(ring, [*ring[1:], *ring[:1]], strict=True)
    )


def encoded(layers: Mapping[str, Sequence[Feature]]) -> bytes:
    """Return a tile; layers without features are left out."""
    return b"".join(
        _field(3, _layer(name, features)) for name, features in sorted(layers.items()) if features
    )


def _layer(name: str, features: Sequence[Feature]) -> bytes:
    keys: dict[str, int] = {}
    values: dict[str | int, int] = {}
    body = bytearray(_field(1, name.encode()))
    for feature in features:
        tags = bytearray()
        for key, value in feature.tags.items():
            tags += _varint(keys.setdefault(key, len(keys))) + _varint(values.setdefault(value, len(values)))
        inner = _field(2, bytes(tags)) if tags else b""
        inner += _key(3, 0) + _varint(feature.kind) + _field(4, _geometry(feature))
        body += _field(2, inner)
    for key in keys:
        body += _field(3, key.encode())
    for value in values:
        if isinstance(value, int):
            body += _field(4, _key(4, 0) + _varint(value))
        else:
            body += _field(4, _field(1, value.encode()))
    return bytes(body) + _key(5, 0) + _varint(EXTENT) + _key(15, 0) + _varint(2)


def _geometry(feature: Feature) -> bytes:
    move, line, close = 1, 2, 7
    out = bytearray()
    x = y = 0
    for part in feature.parts:
        for number, (to_x, to_y) in enumerate(part):
            if number == 0:
                out += _varint(move | 1 << 3)
            elif number == 1:
                out += _varint(line | (len(part) - 1) << 3)
            out += _zigzag(to_x - x) + _zigzag(to_y - y)
            x, y = to_x, to_y
        if feature.kind == POLYGON:
            out += _varint(close | 1 << 3)
    return bytes(out)


def _clipped_piece(one: XY, other: XY) -> tuple[XY, XY] | None:
    low, high = -BUFFER, EXTENT + BUFFER
    begin, end = 0.0, 1.0
    dx, dy = other[0] - one[0], other[1] - one[1]
    for delta, room in ((-dx, one[0] - low), (dx, high - one[0]), (-dy, one[1] - low), (dy, high - one[1])):
        if delta == 0:
            if room < 0:
                return None
            continue
        share = room / delta
        if delta < 0:
            begin = max(begin, share)
        else:
            end = min(end, share)
        if begin > end:
            return None
    first = one if begin == 0 else (one[0] + begin * dx, one[1] + begin * dy)
    last = other if end == 1 else (one[0] + end * dx, one[1] + end * dy)
    return first, last


def _away(point: XY, one: XY, other: XY) -> float:
    """Return the square of the distance of a point from a piece."""
    dx, dy = other[0] - one[0], other[1] - one[1]
    length = dx * dx + dy * dy
    share = 0.0 if length == 0 else ((point[0] - one[0]) * dx + (point[1] - one[1]) * dy) / length
    share = max(0.0, min(1.0, share))
    return (one[0] + share * dx - point[0]) ** 2 + (one[1] + share * dy - point[1]) ** 2


def _field(number: int, body: bytes) -> bytes:
    return _key(number, 2) + _varint(len(body)) + body


def _key(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _varint(value: int) -> bytes:
    if value < 128:  # noqa: PLR2004 - seven bits
        return struct.pack("B", value)
    out = bytearray()
    while value > 127:  # noqa: PLR2004 - seven bits
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
