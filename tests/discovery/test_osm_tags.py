"""Tags of OpenStreetMap say what is a place, what is drawn, and which places are one."""

from __future__ import annotations

import pytest

from nerava.discovery.records import Category
from nerava.integrations.osm.extract import Extract
from nerava.integrations.osm.feed import merged
from nerava.integrations.osm.map_layers import drawn_area
from nerava.integrations.osm.tags import category_of, plugs_of, power_w_of
from tests.discovery.feed import place


@pytest.mark.trap("O8")
def test_empty_premises_and_machines_are_no_places() -> None:
    for shop in ("yes", "vacant", "no", "vending_machine"):
        assert category_of({"shop": shop}) is None
    assert category_of({"disused:shop": "books"}) is None
    assert category_of({"shop": "books", "disused": "yes"}) is None
    assert category_of({"shop": "books"}) == (Category.SHOP, "books")


@pytest.mark.trap("O3", "O4")
def test_a_place_that_is_mapped_twice_is_one_with_both_ids() -> None:
    kiosk = place(1, name="R-Kioski", reference="n1")
    again = place(2, name="R-kioski", reference="w2", east_m=20, phone="1")
    far = place(3, name="R-Kioski", reference="n3", east_m=60)

    found = merged(Extract(places={one.reference: one for one in (kiosk, again, far)}))

    assert [(one.reference, one.also) for one in found] == [("w2", ("n1",)), ("n3", ())]


@pytest.mark.trap("O9")
def test_an_entrance_is_not_drawn_as_a_building() -> None:
    assert drawn_area({"building": "entrance"}) is None
    assert drawn_area({"building": "yes", "layer": "-1"}) is None


def test_power_is_read_in_watts_and_never_guessed() -> None:
    told = {"22 kW": 22_000, "22": 22_000, "7,4 kW;22kW": 22_000, "3700 W": 3_700, "": None, "fast": None}
    assert {text: power_w_of(text) for text in told} == told
    assert plugs_of({"capacity": "many"}) == ()
    [plug] = plugs_of(
        {"socket:type2_combo": "4", "socket:type2_combo:output": "150 kW", "socket:schuko": "no"}
    )
    assert (plug.count, plug.power_w_max) == (4, 150_000)
