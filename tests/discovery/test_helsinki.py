"""What central Helsinki holds: counted by osmium itself, and walked by another shortest path."""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import osmium
import pytest
from sqlalchemy import select

from nerava.discovery.importing import run_import
from nerava.discovery.model import ChargingSite, Place, WalkLink
from nerava.integrations.osm.extract import read_extract
from nerava.integrations.osm.feed import OsmFeed
from nerava.integrations.osm.tags import NO_SHOPS, may_walk
from nerava.kernel.clock import SystemClock
from nerava.platform.db import Database

pytestmark = pytest.mark.needs_data

NO_CARS = {"footway", "path", "pedestrian", "steps", "cycleway", "track", "bridleway"}


def test_places_are_as_many_as_osmium_counts(city: Database, helsinki: Path) -> None:
    counted: Counter[str] = Counter()
    for one in osmium.FileProcessor(str(helsinki)):
        tags = one.tags
        if "name" not in tags or (one.is_relation() and tags.get("type") != "multipolygon"):
            continue
        amenity = tags.get("amenity")
        if amenity in {"restaurant", "cafe", "fast_food", "bar", "pub", "cinema", "pharmacy"}:
            counted[amenity] += 1
        elif "shop" in tags and tags["shop"] not in NO_SHOPS:
            counted["shop"] += 1

    query = select(Place.category, Place.also)
    rows = city.read(lambda session: list(session.execute(query)))

    found: Counter[str] = Counter()
    for row in rows:
        found[row.category] += 1 + len(row.also)
    assert (counted["restaurant"], counted["cafe"], counted["fast_food"], counted["bar"]) == (213, 85, 54, 22)
    assert counted["pub"] == 51, "of the 52 that are named one is the route of a tram"
    assert {name: found[name] for name in counted} == counted
    assert sum(len(row.also) for row in rows) == 1


@pytest.mark.trap("O5")
def test_chargers_are_the_four_that_are_mapped_and_a_car_park_that_speaks_of_one(city: Database) -> None:
    query = select(ChargingSite).order_by(ChargingSite.reference)
    sites = city.read(lambda session: [(one.reference, one.name, one.is_exact, one.plugs, one.is_below_ground)
                                       for one in session.scalars(query)])  # fmt: skip
    assert sites == [
        ("n1685729190", "Stockmann Q-Park", False, [], True),
        ("n1685821074", "Eliel", False, [], True),
        ("n1685871599", "Kluuvi", False, [], False),
        ("n1831955269", "Pohjoinen Makasiinikatu 9", True, [], False),
        ("n277398925", "Kluuvi", False, [], True),
    ]


@pytest.mark.trap("O1")
def test_the_foot_network_is_that_of_the_foot_rule(helsinki: Path, tmp_path: Path) -> None:
    walked = [one for one in osmium.FileProcessor(str(helsinki)) if one.is_way() and may_walk(one.tags)]
    assert len(walked) == 2_307

    extract = read_extract(helsinki, tmp_path, lambda _: None)

    assert extract.network.ways == 2_252, "55 of them are ramps and tunnels for cars"
    parts = extract.network.parts()
    assert (sum(parts.values()), max(parts.values())) == (5_251, 5_046)


def test_walking_minutes_are_those_of_another_shortest_path(city: Database, helsinki: Path) -> None:
    streets = Streets(helsinki)
    columns = (
        ChargingSite.latitude, ChargingSite.longitude, Place.latitude, Place.longitude, WalkLink.metres,
        WalkLink.minutes, WalkLink.is_estimate, Place.doors,
    )  # fmt: skip
    query = (
        select(*columns)
        .join(WalkLink, WalkLink.location_id == ChargingSite.location_id)
        .join(Place, Place.id == WalkLink.place_id)
    )
    links = [row for row in city.read(lambda session: list(session.execute(query))) if not row.doors]
    assert len(links) > 2_000
    assert not any(row.is_estimate for row in links)

    for row in random.Random(7).sample(links, 40):
        metres = streets.metres((row[0], row[1]), (row[2], row[3]))
        assert abs(metres - row.metres) <= 3, row
        assert row.minutes in {math.ceil((metres - 2) / 80), math.ceil((metres + 2) / 80)}


def test_the_countryside_has_hardly_a_place_and_no_charger(
    city: Database, countryside: Path, helsinki: Path
) -> None:
    report = run_import(city, OsmFeed(countryside), now=SystemClock().now)

    assert report.counts["gone"] == 0, "what lies outside of the file has not vanished"
    again = run_import(city, OsmFeed(helsinki), now=SystemClock().now)
    assert (again.counts["same"], again.counts["gone"], again.counts.get("changed", 0)) == (883, 0, 0)


class Streets:
    """The foot network as a test reads it, with Dijkstra from a point on an edge to another one."""

    def __init__(self, path: Path) -> None:
        self.near: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
        self.edges: list[tuple[int, tuple[float, float], int, tuple[float, float], float]] = []
        parts: list[tuple[int, int]] = []
        edges: list[Any] = []
        for way in osmium.FileProcessor(str(path)).with_locations():
            if not way.is_way() or not may_walk(way.tags):
                continue
            below = self._is_below(way.tags)
            if (
                below
                and way.tags["highway"] not in NO_CARS
                and way.tags.get("foot") not in {"yes", "designated"}
            ):
                continue
            factor = 1.35 if way.tags["highway"] == "steps" else 1.0
            nodes = [(n.ref, (n.lat, n.lon)) if n.location.valid() else None for n in way.nodes]
            for one, other in pairwise(nodes):
                if one and other:
                    cost = flat(one[1], other[1]) * factor
                    self.near[one[0]].append((other[0], cost))
                    self.near[other[0]].append((one[0], cost))
                    edges.append((one, other, cost, below))
                    parts.append((one[0], other[0]))
        main = self._largest()
        self.edges = [
            (a[0], a[1], b[0], b[1], cost) for a, b, cost, below in edges if not below and a[0] in main
        ]

    @staticmethod
    def _is_below(tags: Any) -> bool:
        layer = tags.get("layer", "0")
        return layer.startswith("-") or tags.get("tunnel", "no") != "no" or tags.get("covered") == "yes" or (
            tags.get("location") == "underground"
        )  # fmt: skip

    def _largest(self) -> set[int]:
        best: set[int] = set()
        left = set(self.near)
        while left:
            part, border = set(), [left.pop()]
            while border:
                node = border.pop()
                part.add(node)
                border += [other for other, _ in self.near[node] if other not in part]
            left -= part
            best = max(best, part, key=len)
        return best

    def metres(self, start: tuple[float, float], end: tuple[float, float]) -> float:
        begin, finish = self._join(start), self._join(end)
        best = math.inf
        queue = [(begin[1], begin[0][0]), (begin[2], begin[0][2])]
        done: dict[int, float] = {}
        while queue:
            cost, node = heapq.heappop(queue)
            if node in done:
                continue
            done[node] = cost
            for following, length in self.near[node]:
                heapq.heappush(queue, (cost + length, following))
        for node, along in ((finish[0][0], finish[1]), (finish[0][2], finish[2])):
            best = min(best, done.get(node, math.inf) + along)
        return best

    def _join(self, point: tuple[float, float]) -> tuple[Any, float, float]:
        def meets(edge: Any) -> tuple[float, float]:
            shrink = math.cos(math.radians(point[0]))
            a, b = [((p[1] - point[1]) * shrink, p[0] - point[0]) for p in (edge[1], edge[3])]
            d = (b[0] - a[0], b[1] - a[1])
            t = max(0.0, min(1.0, -(a[0] * d[0] + a[1] * d[1]) / (d[0] ** 2 + d[1] ** 2 or 1)))
            return math.hypot(a[0] + t * d[0], a[1] + t * d[1]) * 111_195, t

        edge = min(self.edges, key=lambda one: meets(one)[0])
        away, t = meets(edge)
        return edge, away + t * edge[4], away + (1 - t) * edge[4]


def flat(one: tuple[float, float], other: tuple[float, float]) -> float:
    middle = math.radians((one[0] + other[0]) / 2)
    return math.hypot((other[1] - one[1]) * math.cos(middle), other[0] - one[0]) * 111_195
