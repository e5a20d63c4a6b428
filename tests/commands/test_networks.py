"""`nerava import ocpi` reads the locations of networks, goes on where it was, and says what it could not take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nerava.kernel.clock import SystemClock
from nerava.roaming.model import Module
from nerava.roaming.pulls import claim
from tests.commands.conftest import Run
from tests.helpers.databases import DatabaseUrl
from tests.http.roaming import Network, opened_network


@dataclass
class Desk:
    """A network that lists locations, and a command line beside the house that is connected with it."""

    network: Network
    call: Callable[..., Any]

    def told(self, *arguments: str) -> Any:
        done = self.call("import", "ocpi", *arguments, "--json")
        return done.exit_code, json.loads(done.stdout)

    def lists(self, *locations: dict[str, Any]) -> None:
        self.network.operator.lists["locations"] = list(locations)


@pytest.fixture
def desk(
    run: Run, database_url: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    with database_url("sqlite") as url, opened_network(url, tmp_path) as network:
        for name, value in {
            "TOKENS__KEYS_DIRECTORY": str(tmp_path / "keys"),
            "OCPI__MODE": "simulator",
            "OCPI__COUNTRY_CODE": "US",
            "OCPI__PARTY_ID": "NRV",
        }.items():
            monkeypatch.setenv(f"NERAVA_{name}", value)
        yield Desk(network, lambda *arguments: run(*arguments, "--database", url))


def located(network: Network, number: int, **changes: Any) -> dict[str, Any]:
    there = {"latitude": f"{30 + number / 100:.6f}", "longitude": "-97.743100"}
    return network.location(id=f"LOC{number}", coordinates=there) | changes


def test_all_locations_are_read_and_a_second_time_nothing_changes(desk: Desk) -> None:
    network = desk.network
    desk.lists(
        *(located(network, number) for number in range(1, 6)),
        located(network, 6, publish=False),
        located(network, 7, coordinates={"latitude": "130.0", "longitude": "200.0"}),
        located(network, 8, coordinates="here"),
        located(network, 9, country_code="DE"),
    )
    code, first = desk.told()
    assert code == 0
    [read] = first["networks"]
    assert (read["read"], read["new"], read["changed"], read["shown"]) == (9, 7, 0, 5)
    assert {one["reference"]: one["reason"] for one in read["rejects"]} == {
        "LOC8": "refused",
        "LOC9": "refused",
        "NL-EXA/loc6": "not_public",
        "NL-EXA/loc7": "doubtful_coordinates",
    }
    _, second = desk.told("Example")
    assert (second["networks"][0]["new"], second["networks"][0]["changed"]) == (0, 0)
    shown = network.house.client.get("/v1/chargers?lat=30.03&lng=-97.7431").json()["items"]
    assert {one["source"] for one in shown} == {"ocpi:NL-EXA"}
    assert [one["text"] for one in network.house.client.get("/v1/attributions").json()] == [
        "Charging locations of NL-EXA"
    ]


def test_a_reading_that_was_cut_off_goes_on_at_its_page(desk: Desk) -> None:
    network = desk.network
    desk.lists(*(located(network, number) for number in range(1, 6)))
    network.operator.lists_until = 2
    code, broken = desk.told()
    assert (code, broken["error"]) == (2, "directory-unreadable")
    network.operator.lists_until = None
    code, told = desk.told()
    assert (code, told["networks"][0]["shown"]) == (0, 5)
    assert told["networks"][0]["read"] == 3, "the first page was read before"


def test_who_is_not_connected_or_is_being_read_is_not_read_here(desk: Desk) -> None:
    assert desk.call("import", "ocpi", "Nobody").exit_code == 2
    desk.lists(located(desk.network, 1))
    database, of = desk.network.house.installation.database, (desk.network.peer_id, Module.LOCATIONS)
    database.run(lambda session: claim(session, SystemClock().now(), of=of))
    code, told = desk.told()
    assert (code, told["error"]) == (2, "network-busy")
