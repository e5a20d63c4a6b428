"""The base map of central Helsinki: valid tiles, streets in their place, a harbour that is wet."""

from __future__ import annotations

import gzip
import math
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerava.discovery.vector_tile import (
    BUFFER,
    EXTENT,
    Feature,
    clipped_line,
    clipped_ring,
    encoded,
    simplified,
)
from nerava.integrations.osm.base_map import draw_map
from nerava.integrations.osm.coastline import sea_of
from nerava.kernel.geography import Box
from tests.discovery.tile_reader import read_tile

numbers = st.floats(-10_000, 10_000)
lines = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=12)
grid = st.tuples(st.integers(-64, 4160), st.integers(-64, 4160))
UNIT = Box(0, 1, 0, 1)


@given(st.lists(grid, min_size=3, max_size=9), st.dictionaries(st.text(max_size=5), st.text(max_size=9)))
def test_a_tile_is_read_as_it_was_written(points: list[tuple[int, int]], tags: dict[str, str]) -> None:
    body = encoded(
        {"road": [Feature(2, [points], tags)], "none": [], "water": [Feature(3, [points], {"n": 7})]}
    )

    assert read_tile(body) == {
        "road": [{"kind": 2, "tags": tags, "parts": [points]}],
        "water": [{"kind": 3, "tags": {"n": 7}, "parts": [points]}],
    }


@given(lines)
def test_what_is_cut_lies_in_the_tile_and_its_buffer(points: list[tuple[float, float]]) -> None:
    kept = [point for run in clipped_line(points) for point in run] + clipped_ring(points)
    for x, y in kept:
        assert -BUFFER - 1e-6 <= x <= EXTENT + BUFFER + 1e-6
        assert -BUFFER - 1e-6 <= y <= EXTENT + BUFFER + 1e-6


@given(lines, st.floats(0, 100))
def test_a_simplified_line_keeps_its_ends_and_no_new_points(
    points: list[tuple[float, float]], tolerance: float
) -> None:
    short = simplified(points, tolerance)
    assert (short[0], short[-1]) == (points[0], points[-1])
    left = iter(points)
    assert all(point in left for point in short)


@pytest.mark.trap("O7")
def test_the_sea_lies_to_the_right_of_its_coast() -> None:
    northwards, southwards = [(0.4, -0.2), (0.4, 1.3)], [(0.4, 1.3), (0.4, -0.2)]
    [east], _ = sea_of([northwards], UNIT)
    [west], _ = sea_of([southwards], UNIT)
    assert (_holds(east, (0.7, 0.5)), _holds(east, (0.2, 0.5))) == (True, False)
    assert (_holds(west, (0.7, 0.5)), _holds(west, (0.2, 0.5))) == (False, True)

    strait, islands = sea_of([northwards, [(0.8, 2), (0.8, 0.3)], [(0.8, 0.3), (0.8, -1)],
                              [(0.5, 0.5), (0.6, 0.5), (0.6, 0.6), (0.5, 0.5)]], UNIT)  # fmt: skip
    assert [_holds(strait[0], (x, 0.5)) for x in (0.2, 0.5, 0.9)] == [False, True, False]
    assert len(islands) == 1


def test_a_coast_that_ends_inside_is_led_to_the_border() -> None:
    [east], _ = sea_of([[(0.4, 0.1), (0.4, 0.9)]], UNIT)
    assert _holds(east, (0.9, 0.05))


@pytest.mark.needs_data
def test_the_map_of_helsinki(helsinki: Path, tmp_path: Path) -> None:
    target = tmp_path / "maps" / "helsinki.mbtiles"

    number = draw_map(helsinki, target, "helsinki")

    with sqlite3.connect(target) as file:
        tiles = file.execute("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles").fetchall()
        described = dict(file.execute("SELECT name, value FROM metadata").fetchall())
    file.close()
    assert Counter(row[0] for row in tiles) == {10: 1, 11: 1, 12: 1, 13: 2, 14: 4, 15: 9}
    assert number == 18
    assert "© OpenStreetMap contributors" in described["attribution"]
    assert list(target.parent.iterdir()) == [target], "nothing is left lying about"
    drawn = {(z, x, (1 << z) - 1 - y): read_tile(gzip.decompress(body)) for z, x, y, body in tiles}
    for layers in drawn.values():
        for feature in (one for layer in layers.values() for one in layer if one["kind"] == 3):
            assert _doubled_area(feature["parts"][0]) > 0
            assert all(_doubled_area(hole) < 0 for hole in feature["parts"][1:])

    names = {one["tags"].get("name") for layers in drawn.values() for one in layers.get("road", ())}
    assert {"Aleksanterinkatu", "Mannerheimintie", "Pohjoisesplanadi"} <= names
    wide = {one["tags"]["class"] for one in drawn[10, 582, 296]["road"]}
    assert wide == {"primary"}, "from afar there are no alleys"
    assert {"building", "green", "rail", "road", "sea"} <= set().union(*drawn.values())
    assert _is_in(drawn, "sea", 60.16575, 24.95330)
    assert _is_in(drawn, "sea", 60.17646, 24.94729)
    for dry in ((60.16860, 24.95000), (60.17160, 24.94150), (60.16750, 24.94700)):
        assert not _is_in(drawn, "sea", *dry)


def _is_in(drawn: dict[Any, Any], layer: str, latitude: float, longitude: float) -> bool:
    side = 1 << 15
    x = (longitude + 180) / 360 * side
    y = (1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2 * side
    at = ((x % 1) * 4096, (y % 1) * 4096)
    features = drawn[15, int(x), int(y)].get(layer, ())
    return any(sum(_holds(part, at) for part in one["parts"]) % 2 == 1 for one in features)


def _holds(ring: Any, point: tuple[float, float]) -> bool:
    inside = False
    for (ax, ay), (bx, by) in zip(ring, [*ring[1:], ring[0]], strict=True):
        if (ay > point[1]) != (by > point[1]) and point[0] < (bx - ax) * (point[1] - ay) / (by - ay) + ax:
            inside = not inside
    return inside


def _doubled_area(ring: Any) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))
