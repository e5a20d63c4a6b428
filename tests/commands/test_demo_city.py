"""The city of the demo: chargers of an extract and of car parks, and a car that tells of a charge there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nerava.commands.imports import bring_extract
from nerava.commands.output import Output
from nerava.demo.car import charge_told_by_car
from nerava.demo.city import STATION, furnished
from nerava.demo.provider import cars_of
from nerava.integrations.extracts import HELSINKI
from nerava.simulators.serving import running_simulators
from tests.discovery.conftest import stored_or_skipped
from tests.http.conftest import opened_house
from tests.http.flows import campaign, sponsor

if TYPE_CHECKING:
    from tests.helpers.databases import DatabaseUrl


@pytest.mark.chaos
@pytest.mark.needs_data
def test_a_connected_car_tells_of_a_charge_in_the_city_and_its_reward_is_held(
    database_url: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = stored_or_skipped(HELSINKI)
    monkeypatch.setenv("NERAVA_DATA_DIR", str(tmp_path / "data"))
    with (
        database_url("sqlite") as url,
        running_simulators(by_hand=True) as simulators,
        opened_house(url, tmp_path, smartcar=cars_of(simulators)) as house,
    ):
        bring_extract(Output(as_json=True), house.installation, file)
        grounds = furnished(house.installation, file)
        assert furnished(house.installation, file) == grounds
        kinds = [one.name.partition(":")[0] for one in grounds]
        assert (kinds.count("osm"), kinds.count("demo")) == (5, 4)

        campaign(sponsor(house, 10_000), 5_000, evidence_min=2)
        driver = house.user()
        told = charge_told_by_car(house.installation, simulators, driver.tenant_id, STATION)
        assert told is not None
        assert charge_told_by_car(house.installation, simulators, driver.tenant_id, STATION) == told
        [found] = driver.get("/v1/sessions").json()["items"]
        assert (found["id"], found["state"], found["evidence_level"]) == (str(told), "verified", 2)
        assert found["energy_wh"] == 12_400
        decision = driver.get(f"/v1/sessions/{told}/decision").json()
        assert [one["outcome"] for one in decision["campaigns"]] == ["held"]
        assert house.findings() == []
