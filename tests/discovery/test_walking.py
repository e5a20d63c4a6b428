"""Ways on foot follow the network, count steps and joins, and say when they are an estimate."""

from __future__ import annotations

import pytest

from nerava.discovery.walking import Edge, Network, Node, Piece, Way, pack, unpack
from nerava.kernel.geography import METRES_PER_DEGREE, Point

ORIGIN = Point(0.0, 0.0)


def at(east_m: float, north_m: float = 0) -> Point:
    return Point(north_m / METRES_PER_DEGREE, east_m / METRES_PER_DEGREE)


def node(number: int, east_m: float, north_m: float = 0, part: int = 1) -> Node:
    point = at(east_m, north_m)
    return Node(number, round(point.latitude * 1e7), round(point.longitude * 1e7), part)


def street(*, is_open: bool = True, cost_percent: int = 100) -> Piece:
    """A street of 700 m to the east, and one of 300 m that turns north from its end."""
    nodes = [node(1, 0), node(2, 700), node(3, 700, 300)]
    return Piece(nodes, [Edge(0, 1, 70 * cost_percent, is_open), Edge(1, 2, 3_000, is_open)])


def way(network: Network, start: Point, *doors: Point) -> Way | None:
    [found] = network.ways(start, [doors])
    return found


def test_the_network_comes_out_of_its_bytes_as_it_went_in() -> None:
    piece = street(is_open=False)
    assert unpack(pack(piece)) == piece
    assert unpack(pack(Piece([], []))) == Piece([], [])


def test_a_way_follows_the_street_round_its_corner() -> None:
    network = Network([street()])
    assert way(network, at(550), at(700, 300)) == Way(450, 6, is_estimate=False)
    assert way(network, at(0), at(700, 200)) is None, "900 m are more than ten minutes, however near it looks"


def test_the_steps_to_the_street_and_from_it_count() -> None:
    network = Network([street()])
    assert way(network, at(100, 40), at(300, 20)) == Way(260, 4, is_estimate=False)
    assert way(network, at(100), at(180)) == Way(80, 1, is_estimate=False), "80 m are one minute"
    assert way(network, at(100), at(181)) == Way(81, 2, is_estimate=False), "minutes are rounded up"


def test_steps_of_a_stair_cost_more() -> None:
    assert way(Network([street(cost_percent=135)]), at(0), at(400)) == Way(540, 7, is_estimate=False)


def test_a_place_is_reached_at_its_nearest_door() -> None:
    network = Network([street()])
    assert way(network, at(0), at(500), at(200, 10)) == Way(210, 3, is_estimate=False)


@pytest.mark.trap("O2")
def test_without_a_network_between_them_the_way_is_an_estimate() -> None:
    assert way(Network([]), at(0), at(300)) == Way(390, 5, is_estimate=True)
    island = Piece([node(8, 100, 400, 8), node(9, 300, 400, 8)], [Edge(0, 1, 2_000, True)])
    over_water = way(Network([street(), island]), at(100), at(200, 400))
    assert over_water is not None
    assert (over_water.is_estimate, over_water.metres) == (True, 536)


def test_nobody_comes_onto_the_network_below_ground() -> None:
    found = way(Network([street(is_open=False)]), at(0), at(300))
    assert found is not None
    assert found.is_estimate


def test_a_charger_joins_the_town_and_not_a_scrap_beside_it() -> None:
    scrap = Piece([node(90, 0, 5, 90), node(91, 10, 5, 90)], [Edge(0, 1, 100, True)])
    ladder = [node(number, 10 * number, 0) for number in range(100, 160)]
    town = Piece(
        [node(1, 0), *ladder], [Edge(0, 1, 10_000, True), *(Edge(n, n + 1, 100, True) for n in range(1, 60))]
    )
    found = way(Network([scrap, town]), at(1, 5), at(500))
    assert found is not None
    assert not found.is_estimate
