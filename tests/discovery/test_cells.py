"""Whatever lies in a box lies in its ranges of cells, and these are few."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from nerava.discovery.cells import CELL_MAX, ZOOM, cell_of, cells_of_square, ranges_of, square_of
from nerava.kernel.geography import Box, Point, box_around

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


@given(latitudes, longitudes, st.integers(1, 200_000), st.floats(-1, 1), st.floats(-1, 1))
@example(0.0, 180.0, 1_000, 0.5, 0.5)
@example(60.17, 24.94, 800, 0.0, 0.0)
def test_a_point_of_a_box_is_in_one_of_its_ranges(
    latitude: float, longitude: float, radius_m: int, up: float, right: float
) -> None:
    box = box_around(Point(latitude, longitude), radius_m)
    width = (box.east - box.west) % 360
    inner = Point(
        box.south + (box.north - box.south) * (up + 1) / 2,
        (box.west + width * (right + 1) / 2 + 180) % 360 - 180,
    )

    ranges = ranges_of(box)

    assert any(first <= cell_of(inner) <= last for first, last in ranges)
    assert len(ranges) <= 32
    assert all(0 <= first <= last <= CELL_MAX for first, last in ranges)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(ranges))


@given(latitudes, longitudes, st.integers(0, ZOOM))
def test_a_square_is_one_range_of_cells(latitude: float, longitude: float, zoom: int) -> None:
    point = Point(latitude, longitude)

    first, last = cells_of_square(*square_of(point, zoom), zoom)

    assert first <= cell_of(point) <= last
    assert last - first + 1 == 4 ** (ZOOM - zoom)


def test_the_world_is_one_range() -> None:
    assert ranges_of(Box(-90, 90, -180, 180)) == [(0, CELL_MAX)]
