"""The way on foot: a pedestrian network packed by squares, and the metres from one point to many.

A person walks 80 m a minute (4.8 km/h), minutes are rounded up; a metre of steps counts 1.35. A point is
joined to the nearest edge above ground within 150 m, and the way to that edge counts. A place whose
doors are known is reached at the nearest of them. Where both ends are not joined to one connected part
of the network, the way is a straight line times 1.3 and says that it is an estimate.
"""

from __future__ import annotations

import heapq
import math
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from nerava.kernel.geography import METRES_PER_DEGREE, Point, metres_between

METRES_PER_MINUTE: Final = 80
MINUTES_MAX: Final = 10
REACH_DM: Final = MINUTES_MAX * METRES_PER_MINUTE * 10
STEPS_PERCENT: Final = 135
DETOUR_PERCENT: Final = 130
JOIN_M: Final = 150
ISLAND_NODES_MAX: Final = 50
"""A part of the network with no more points than this is a scrap: a charger joins a larger one if it can."""

_E7: Final = 10_000_000
_GRID_DEGREES: Final = 0.002


class Node(NamedTuple):
    """A point of the network: its id of the world, 10⁻⁷ degrees, and the connected part it belongs to."""

    id: int
    latitude_e7: int
    longitude_e7: int
    part: int


class Edge(NamedTuple):
    """A straight piece between two nodes, by their place in the list; `cost_dm` has steps counted in.

    Nobody joins the network on an edge that is not `is_open`: it lies below ground.
    """

    one: int
    other: int
    cost_dm: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """The network of one square; edges that leave it bring the node on the other side."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]


class Way(NamedTuple):
    """How far it is, in metres and whole minutes, and whether that is an estimate."""

    metres: int
    minutes: int
    is_estimate: bool


def pack(piece: Piece) -> bytes:
    """Return the network of a square as bytes."""
    numbers = array("q", [len(piece.nodes), len(piece.edges)])
    for column in range(4):
        numbers.extend(node[column] for node in piece.nodes)
    for edge in piece.edges:
        numbers.extend((edge.one, edge.other, edge.cost_dm * 2 + edge.is_open))
    return zlib.compress(numbers.tobytes(), 6)


def unpack(body: bytes) -> Piece:
    """Return the network that `pack` has packed."""
    numbers = array("q", zlib.decompress(body))
    nodes_number, edges_number = numbers[0], numbers[1]
    columns = [numbers[2 + column * nodes_number : 2 + (column + 1) * nodes_number] for column in range(4)]
    at = 2 + 4 * nodes_number
    edges = [
        Edge(numbers[i], numbers[i + 1], numbers[i + 2] >> 1, bool(numbers[i + 2] & 1))
        for i in range(at, at + 3 * edges_number, 3)
    ]
    return Piece([Node(*values) for values in zip(*columns, strict=True)], edges)


def minutes_of(metres_dm: int) -> int:
    """Return the whole minutes of a way in decimetres, rounded up."""
    return math.ceil(metres_dm / 10 / METRES_PER_MINUTE)


class _Join(NamedTuple):
    """Where a point comes onto the network: how far away, and how far along to both ends of the edge."""

    metres: float
    one: int
    other: int
    to_one_dm: float
    to_other_dm: float
    part: int


class Network:
    """The pedestrian network around some squares, made for asking it many times."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._links: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._open: defaultdict[tuple[int, int], list[tuple[Node, Node, int]]] = defaultdict(list)
        self._sizes: defaultdict[int, set[int]] = defaultdict(set)
        self._joined: dict[Point, dict[int, _Join]] = {}
        known: set[tuple[int, int]] = set()
        for piece in pieces:
            for edge in piece.edges:
                one, other = piece.nodes[edge.one], piece.nodes[edge.other]
                if (one.id, other.id) in known:
                    continue
                known.add((one.id, other.id))
                self._links[one.id].append((other.id, edge.cost_dm))
                self._links[other.id].append((one.id, edge.cost_dm))
                self._sizes[one.part] |= {one.id, other.id}
                if edge.is_open:
                    for square in _squares(one, other):
                        self._open[square].append((one, other, edge.cost_dm))

    def ways(self, start: Point, ends: Sequence[Sequence[Point]]) -> list[Way | None]:
        """Return the way from a point to each place, given by its doors; None above ten minutes."""
        joins = self._joins(start)
        large = [join for join in joins.values() if len(self._sizes[join.part]) > ISLAND_NODES_MAX]
        join = min(large or joins.values(), default=None)
        reached = {} if join is None else self._reach(join)
        return [self._way(start, doors, join, reached) for doors in ends]

    def _way(
        self, start: Point, doors: Sequence[Point], join: _Join | None, reached: dict[int, float]
    ) -> Way | None:
        found: list[float] = []
        is_joined = False
        for door in doors:
            there = None if join is None else self._joins(door).get(join.part)
            if there is None or join is None:
                continue
            is_joined = True
            found += [
                reached[node] + along + there.metres * 10
                for node, along in ((there.one, there.to_one_dm), (there.other, there.to_other_dm))
                if node in reached
            ]
            if {there.one, there.other} == {join.one, join.other}:
                along = abs(there.to_one_dm - (join.to_one_dm if there.one == join.one else join.to_other_dm))
                found.append(join.metres * 10 + along + there.metres * 10)
        if not is_joined:
            straight = min(metres_between(start, door) for door in doors)
            cost = straight * 10 * DETOUR_PERCENT // 100
        else:
            cost = round(min(found, default=REACH_DM + 1))
        if cost > REACH_DM:
            return None
        return Way(math.ceil(cost / 10), minutes_of(cost), not is_joined)

    def _reach(self, join: _Join) -> dict[int, float]:
        """Return the decimetres to every node within reach (Dijkstra)."""
        reached: dict[int, float] = {}
        first = join.metres * 10
        queue = [
            (first + join.to_one_dm, join.one),
            (first + join.to_other_dm, join.other),
        ]
        heapq.heapify(queue)
        while queue:
            cost, node = heapq.heappop(queue)
            if node in reached:
                continue
            reached[node] = cost
            for following, length in self._links[node]:
                if following not in reached and cost + length <= REACH_DM:
                    heapq.heappush(queue, (cost + length, following))
        return reached

    def _joins(self, point: Point) -> dict[int, _Join]:
        """Return the nearest place to come onto each connected part of the network nearby."""
        known = self._joined.get(point)
        if known is None:
            known = self._joined[point] = self._look_around(point)
        return known

    def _look_around(self, point: Point) -> dict[int, _Join]:
        row, column = _square(point.latitude, point.longitude)
        rings = 1 + int(JOIN_M / (METRES_PER_DEGREE * _GRID_DEGREES))
        shrink = max(0.05, math.cos(math.radians(point.latitude)))
        wide = 1 + int(JOIN_M / (METRES_PER_DEGREE * _GRID_DEGREES * shrink))
        nearest: dict[int, _Join] = {}
        seen: set[tuple[int, int]] = set()
        for near_row in range(row - rings, row + rings + 1):
            for near_column in range(column - wide, column + wide + 1):
                for one, other, cost in self._open.get((near_row, near_column), ()):
                    if (one.id, other.id) in seen:
                        continue
                    seen.add((one.id, other.id))
                    join = _joined(point, one, other, cost, shrink)
                    best = nearest.get(join.part)
                    if join.metres <= JOIN_M and (best is None or join.metres < best.metres):
                        nearest[join.part] = join
        return nearest


def _joined(point: Point, one: Node, other: Node, cost_dm: int, shrink: float) -> _Join:
    """Return where a point meets an edge: the nearest point of it, on a plane that is true nearby."""
    scale_x, scale_y = METRES_PER_DEGREE * shrink, METRES_PER_DEGREE
    ax = (one.longitude_e7 / _E7 - point.longitude) * scale_x
    ay = (one.latitude_e7 / _E7 - point.latitude) * scale_y
    dx = (other.longitude_e7 - one.longitude_e7) / _E7 * scale_x
    dy = (other.latitude_e7 - one.latitude_e7) / _E7 * scale_y
    length = dx * dx + dy * dy
    share = 0.0 if length == 0 else max(0.0, min(1.0, -(ax * dx + ay * dy) / length))
    metres = math.hypot(ax + share * dx, ay + share * dy)
    return _Join(metres, one.id, other.id, share * cost_dm, (1 - share) * cost_dm, one.part)


def _squares(one: Node, other: Node) -> Iterable[tuple[int, int]]:
    top, left = _square(one.latitude_e7 / _E7, one.longitude_e7 / _E7)
    bottom, right = _square(other.latitude_e7 / _E7, other.longitude_e7 / _E7)
    return (
        (row, column)
        for row in range(min(top, bottom), max(top, bottom) + 1)
        for column in range(min(left, right), max(left, right) + 1)
    )


def _square(latitude: float, longitude: float) -> tuple[int, int]:
    return math.floor(latitude / _GRID_DEGREES), math.floor(longitude / _GRID_DEGREES)
