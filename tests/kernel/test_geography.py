"""Distances on the globe agree with known ones, and a box never leaves out what is near enough."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nerava.kernel.geography import Point, box_around, metres_between

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
points = st.builds(Point, latitudes, longitudes)


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        (Point(41.8781, -87.6298), Point(41.8781, -87.6298), 0),
        (Point(52.5200, 13.4050), Point(48.1372, 11.5755), 504_000),
        (Point(0, 179.995), Point(0, -179.995), 1_112),
        (Point(90, 0), Point(90, 120), 0),
        (Point(0, 0), Point(0, 180), 20_015_000),
    ],
)
def test_known_distances(one: Point, other: Point, metres: int) -> None:
    assert metres_between(one, other) == pytest.approx(metres, rel=0.003, abs=1)


@given(points, points, st.integers(1, 50_000))
@example(Point(0, 0), Point(0, 1.249_999_999_686e-5), 1)  # 1.39 m are 1 m.
def test_what_is_near_enough_is_in_the_box(here: Point, there: Point, radius_m: int) -> None:
    box = box_around(here, radius_m)
    tall = box.south <= there.latitude <= box.north
    wide = (
        box.west <= there.longitude <= box.east
        if box.west <= box.east
        else there.longitude >= box.west or there.longitude <= box.east
    )
    assert metres_between(here, there) == metres_between(there, here)
    if metres_between(here, there) <= radius_m:
        assert tall
        assert wide


@given(points, st.integers(1, 50_000), st.floats(-1, 1), st.floats(-1, 1))
def test_neighbours_are_in_the_box(here: Point, radius_m: int, north: float, east: float) -> None:
    near = Point(
        max(-90.0, min(90.0, here.latitude + north * radius_m / 111_000)),
        (here.longitude + east * radius_m / 80_000 + 180) % 360 - 180,
    )
    test_what_is_near_enough_is_in_the_box.hypothesis.inner_test(here, near, radius_m)  # type: ignore[attr-defined]
