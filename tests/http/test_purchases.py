"""An order that is paid with a code near the charger earns what the house's example promises."""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import select
from typer.testing import CliRunner

from nerava.__main__ import app
from nerava.charging import service as charging
from nerava.charging.ingest import NewLocation, register_locations
from nerava.charging.service import SessionStart
from nerava.identity.roles import Role
from nerava.merchants.model import PosOrder
from nerava.merchants.purchases import match_orders
from tests.http.conftest import Caller, House
from tests.http.flows import sponsor, work_off
from tests.http.shop import code_of, nova_of, open_shop, rich_driver


def running(owner: Caller, name: str) -> str:
    """Fund and activate one of the examples as it is."""
    examples = owner.get("/v1/campaign-examples").json()["items"]
    [body] = [one for one in examples if one["name"] == name]
    made = owner.post("/v1/campaigns", body)
    assert made.status_code == 201, made.text
    path = f"/v1/campaigns/{made.json()['id']}"
    assert owner.post(f"{path}/fundings", {"gross_minor": 10_000}, key="f").status_code == 201
    assert owner.post(f"{path}/activate").status_code == 200
    return str(made.json()["id"])


def test_a_coffee_while_charging_earns_150_once_the_session_is_over(house: House) -> None:
    database, now = house.installation.database, house.installation.clock.now()
    owner = sponsor(house, 20_000)
    running(owner, "Purchase match")
    shop, driver = open_shop(house), rich_driver(house)
    place = NewLocation(
        source="test", reference="g", name="G", timezone="America/Chicago", latitude=41.8805, longitude=-87.63
    )
    start = {"source": "test", "reference": "s", "connector_id": None, "evidence_level": 4}

    def charge(session: object) -> object:
        location = register_locations(session, [place])["test", "g"]  # type: ignore[arg-type]
        begun = SessionStart(
            driver_id=driver.tenant_id,
            location_id=location,
            started_at=now - timedelta(minutes=20),
            **start,  # type: ignore[arg-type]
        )
        return charging.start(session, begun, now)  # type: ignore[arg-type]

    session_id = database.run(charge)
    taken = shop.capture(code_of(driver, shop.offer()), pos_order_id="A-1", bill_minor=900)
    assert taken.status_code == 200, taken.text
    due = database.read(lambda session: session.scalars(select(PosOrder.next_at)).one())
    assert due is not None

    def look(after: timedelta) -> int:
        return database.run(lambda session: match_orders(session, due + after))

    assert look(-timedelta(seconds=1)) == 0
    assert look(timedelta()) == 1
    database.run(
        lambda session: charging.close(session, session_id, ended_at=now, energy_wh=5_000)  # type: ignore[arg-type]
    )
    work_off(house)
    assert nova_of(house, driver) == (700, 700)
    assert look(timedelta(minutes=5)) == 1
    work_off(house)

    assert nova_of(house, driver) == (850, 850)
    assert database.read(lambda session: session.scalars(select(PosOrder.next_at)).one()) is None
    assert house.findings() == []


def test_every_example_can_be_drafted_as_it_is(sqlite_house: House) -> None:
    owner = sponsor(sqlite_house)
    examples = owner.get("/v1/campaign-examples").json()["items"]

    assert [one["name"] for one in examples] == ["Off-peak bonus", "Verified charge", "Purchase match"]
    assert all(owner.post("/v1/campaigns", one).status_code == 201 for one in examples)
    assert json.loads(CliRunner().invoke(app, ["campaigns", "examples"]).stdout) == examples
    assert sqlite_house.caller(Role.DRIVER).get("/v1/campaign-examples").status_code == 403
