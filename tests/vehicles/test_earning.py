"""A car that says that it charges earns: held at first, given when the campaign's evidence is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nerava.charging.charger_status import note_status
from nerava.charging.evidence import NewEvidence
from nerava.charging.service import attest
from tests.http.flows import campaign, sponsor
from tests.http.shop import nova_of
from tests.vehicles.garage import Driven, Garage, Site, opened_garage


@pytest.fixture
def fresh(url: str, tmp_path: Path) -> Iterator[Garage]:
    """A garage on both databases; its books are clean when the test is over."""
    with opened_garage(url, tmp_path) as opened:
        yield opened
        assert opened.house.findings() == []


def charged(garage: Garage, driven: Driven, minutes: int = 30) -> None:
    """Let a car charge, with Smartcar telling of it."""
    garage.world.smartcar.plug_in(driven.vin, 50_000)
    garage.bring()
    garage.wait(minutes=minutes)
    garage.world.smartcar.unplug(driven.vin)
    garage.bring()
    garage.work(2)


def offered(garage: Garage, site: Site | None = None, **changes: object) -> None:
    """Offer ten points, at one place or anywhere."""
    owner = sponsor(garage.house, 10_000)
    if site is not None:
        here = {"kind": "locations", "location_ids": [str(site.location_id)]}
        changes["rules"] = [{"kind": "fixed", "points": 10}, here]
    campaign(owner, 5_000, evidence_min=2, **changes)


def in_use(garage: Garage, site: Site, used: bool) -> None:
    database, now = garage.house.installation.database, garage.clock.now()
    database.run(lambda session: note_status(session, site.evse_id, in_use=used, at=now, source="operator"))


def test_a_charge_that_only_the_car_tells_is_held_and_given_by_the_detail_record(fresh: Garage) -> None:
    garage = fresh
    offered(garage)
    site = garage.site()
    driven = garage.driven(site)
    charged(garage, driven)
    found = garage.session(driven)
    assert found is not None
    assert (found.state, found.evidence_level, found.location_id) == ("verified", 2, site.location_id)
    assert found.energy_wh > 10_000
    [grant] = garage.again(driven).get(f"/v1/sessions/{found.id}/decision").json()["campaigns"]
    assert (grant["outcome"], grant["points"]) == ("held", 10)
    assert nova_of(garage.house, driven.caller) == (0, 0)

    record = NewEvidence(
        session_id=found.id,
        level=4,
        source="ocpi:test",
        reference="cdr-1",
        at=garage.clock.now(),
        body={},
        energy_wh=found.energy_wh - 500,
    )
    garage.house.installation.database.run(lambda session: attest(session, [record], garage.clock.now()))
    garage.work(2)
    assert nova_of(garage.house, driven.caller) == (10, 10)


def test_car_and_charger_that_agree_settle_where_that_is_enough(garage: Garage) -> None:
    site = garage.site()
    offered(garage, site, settle_level=3)
    driven = garage.driven(site)
    in_use(garage, site, used=True)
    charged(garage, driven)
    found = garage.session(driven)
    assert found is not None
    assert (found.state, found.evidence_level) == ("verified", 3)
    assert nova_of(garage.house, driven.caller) == (10, 10)


def test_at_a_charger_that_is_idle_all_the_while_a_person_has_to_look(garage: Garage) -> None:
    # The car hangs at the wall box next door.
    site = garage.site()
    offered(garage, site, settle_level=2)
    driven = garage.driven(site)
    in_use(garage, site, used=False)
    charged(garage, driven)
    found = garage.session(driven)
    assert found is not None
    assert (found.state, [code for code, *_ in found.findings]) == ("review", ["place.charger_idle"])
    assert nova_of(garage.house, driven.caller) == (0, 0)


@pytest.mark.parametrize(
    "then",
    [
        "wakes",
        "is elsewhere",
        pytest.param("is unplugged", marks=pytest.mark.chaos),
        pytest.param("is given away", marks=pytest.mark.chaos),
    ],
)
def test_a_car_that_fell_silent_and_charges_on_makes_no_second_charge(garage: Garage, then: str) -> None:
    site = garage.site()
    driven = garage.driven(site, level=10)
    garage.world.smartcar.plug_in(driven.vin, 7_000)
    garage.bring()
    garage.wait(minutes=20)
    garage.bring()
    garage.world.smartcar.sleep(driven.vin)
    garage.wait(hours=4)
    garage.work(2)
    assert [one.reason for one in garage.charges(driven)] == ["went-silent"]

    if then == "is given away":
        owner = garage.again(driven)
        [car] = owner.get("/v1/vehicles").json()["vehicles"]
        gone = garage.house.client.delete(f"/v1/vehicles/{car['id']}", headers=owner.headers())
        assert gone.is_success, gone.text
        garage.work(3)
        driven = garage.joined(garage.driver(), driven.user, driven.vin)
    if then == "is elsewhere":
        other = garage.site()
        garage.world.smartcar.drive(driven.vin, other.latitude, other.longitude)
        garage.world.webhooks.take()
        garage.world.smartcar.plug_in(driven.vin, 7_000)
    elif then == "is unplugged":
        garage.world.smartcar.unplug(driven.vin)
        garage.world.smartcar.sleep(driven.vin, asleep=False)
        garage.bring()
        garage.world.smartcar.plug_in(driven.vin, 7_000)
    else:
        garage.world.smartcar.sleep(driven.vin, asleep=False)
    garage.bring()
    garage.wait(minutes=31)
    garage.bring()
    garage.work(2)
    is_another = then in {"is unplugged", "is elsewhere"}
    mine = 1 if then != "is given away" else 0
    assert len(garage.charges(driven)) == mine + is_another
