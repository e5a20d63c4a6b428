"""Gathers the ways one may walk into a network of squares, each node with the part it belongs to."""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from nerava.discovery.cells import cells_of_square, square_of
from nerava.discovery.records import WalkCellRecord
from nerava.discovery.walk_rows import CELL_ZOOM
from nerava.discovery.walking import STEPS_PERCENT, Edge, Node, Piece, pack
from nerava.integrations.osm.tags import is_below_ground, is_car_tunnel, may_walk
from nerava.kernel.geography import EARTH_RADIUS_M, Point

if TYPE_CHECKING:
    from collections.abc import Iterator

_E7: Final = 10_000_000
_EDGE: Final = struct.Struct("<qqiiiii")
"""Two nodes by id, both positions in 10⁻⁷ degrees, and cost in decimetres times two plus `is_open`."""


class NetworkBuilder:
    """Ways go in one by one, squares come out at the end. An edge takes 36 bytes until then."""

    def __init__(self) -> None:
        self.ways = 0
        self._squares: defaultdict[tuple[int, int], bytearray] = defaultdict(bytearray)
        self._leader: dict[int, int] = {}

    def add(self, way: Any) -> None:  # noqa: ANN401 - osmium's
        """Take a way if one may walk there; of a way that is cut (O1), each piece that is there."""
        tags = way.tags
        if not may_walk(tags) or is_car_tunnel(tags):
            return
        self.ways += 1
        percent = STEPS_PERCENT if tags.get("highway") == "steps" else 100
        is_open = not is_below_ground(tags)
        before: tuple[int, float, float] | None = None
        for node in way.nodes:
            here = (node.ref, node.lat, node.lon) if node.location.valid() else None
            if here is not None and before is not None and here[0] != before[0]:
                self._join(before, here, percent, is_open=is_open)
            before = here

    def squares(self) -> Iterator[WalkCellRecord]:
        """Yield the squares in a fixed order."""
        for (column, row), body in sorted(self._squares.items()):
            cell, _ = cells_of_square(column, row, CELL_ZOOM)
            yield WalkCellRecord(cell=cell, body=pack(self._piece(bytes(body))))

    def parts(self) -> dict[int, int]:
        """Return the number of nodes of each connected part."""
        sizes: defaultdict[int, int] = defaultdict(int)
        for node in self._leader:
            sizes[self._part(node)] += 1
        return dict(sizes)

    def _join(
        self, one: tuple[int, float, float], other: tuple[int, float, float], percent: int, *, is_open: bool
    ) -> None:
        cost = max(1, round(_metres(one, other) * percent / 10))
        packed = (*_e7(one), *_e7(other))
        square = square_of(Point(one[1], one[2]), CELL_ZOOM)
        self._squares[square] += _EDGE.pack(one[0], other[0], *packed, cost * 2 + is_open)
        first, second = self._part(one[0]), self._part(other[0])
        # The smaller id leads, so that a part has the same number however the file is ordered.
        self._leader[max(first, second)] = min(first, second)

    def _part(self, node: int) -> int:
        leader = self._leader.setdefault(node, node)
        while leader != self._leader[leader]:
            self._leader[leader] = self._leader[self._leader[leader]]
            leader = self._leader[leader]
        self._leader[node] = leader
        return leader

    def _piece(self, body: bytes) -> Piece:
        places: dict[int, int] = {}
        nodes: list[Node] = []
        edges: list[Edge] = []

        def place_of(node: int, latitude_e7: int, longitude_e7: int) -> int:
            if node not in places:
                places[node] = len(nodes)
                nodes.append(Node(node, latitude_e7, longitude_e7, self._part(node)))
            return places[node]

        for one, other, lat_a, lng_a, lat_b, lng_b, cost in _EDGE.iter_unpack(body):
            edges.append(
                Edge(place_of(one, lat_a, lng_a), place_of(other, lat_b, lng_b), cost >> 1, bool(cost & 1))
            )
        return Piece(nodes, edges)


def _e7(node: tuple[int, float, float]) -> tuple[int, int]:
    return round(node[1] * _E7), round(node[2] * _E7)


def _metres(one: tuple[int, float, float], other: tuple[int, float, float]) -> float:
    """Return the metres between two nodes, not rounded: thousands of short pieces are summed."""
    south, north = math.radians(one[1]), math.radians(other[1])
    across = math.radians(other[2] - one[2])
    chord = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin(across / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))
