"""A house that speaks OCPI, an operator beside it, and the objects that the operator sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from nerava.identity.roles import Role
from nerava.installation import background_of
from nerava.kernel.clock import FixedClock
from nerava.rewards.model import RewardGrant
from nerava.roaming.model import RoamingObject
from nerava.settings import OcpiSettings
from tests.helpers.ocpi_operator import Operator, running_operator
from tests.http.conftest import Caller, House, opened_house
from tests.http.flows import campaign, sponsor

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PER_KWH = {"kind": "per_kwh", "points_per_kwh": 10}
OCPI = OcpiSettings(mode="simulator", country_code="US", party_id="NRV", name="Nerava")


@dataclass
class Network:
    """A house, an operator who is registered there, a driver with a token, and their clock."""

    house: House
    operator: Operator
    clock: FixedClock
    peer_id: UUID
    driver: Caller
    token: dict[str, Any]

    def work(self, rounds: int = 8) -> None:
        """Let the background work go round for a while."""
        background = background_of(self.house.installation)
        for _ in range(rounds):
            self.clock.move_to(self.clock.now() + timedelta(seconds=2))
            background.round()

    def wait(self, **span: float) -> None:
        """Let time pass, then work."""
        self.clock.move_to(self.clock.now() + timedelta(**span))
        self.work()

    def nova(self) -> int:
        """Return what the driver has."""
        answer = self.driver.get("/v1/wallet")
        assert answer.status_code == 200, answer.text
        balance: int = answer.json()["available"]
        return balance

    def sessions(self) -> list[dict[str, Any]]:
        """Return the driver's sessions, the earliest first."""
        found: list[dict[str, Any]] = self.driver.get("/v1/sessions").json()["items"]
        return found[::-1]

    def decisions(self) -> list[str | None]:
        """Return what became of the reward of each grant, the earliest first."""
        grants: Any = RewardGrant
        query = select(grants.state).where(grants.driver_id == self.driver.tenant_id).order_by(grants.id)
        return list(self.house.installation.database.read(lambda session: session.scalars(query).all()))

    def outcomes(self, module: str) -> dict[str, str | None]:
        """Return what followed from the operator's objects, by their ids."""
        query = select(RoamingObject).where(RoamingObject.module == module)
        found = self.house.installation.database.read(lambda session: session.scalars(query).all())
        return {one.object_key: one.outcome for one in found}

    def location(self, **changes: Any) -> dict[str, Any]:
        """Return a location with one EVSE of 50 kW."""
        return {
            "country_code": self.operator.country,
            "party_id": self.operator.party,
            "id": "LOC1",
            "publish": True,
            "name": "Market Street",
            "address": "Market Street 1",
            "city": "Austin",
            "country": "USA",
            "coordinates": {"latitude": "30.267200", "longitude": "-97.743100"},
            "time_zone": "America/Chicago",
            "evses": [
                {
                    "uid": "3256",
                    "status": "AVAILABLE",
                    "connectors": [
                        {
                            "id": "1",
                            "standard": "IEC_62196_T2_COMBO",
                            "format": "CABLE",
                            "power_type": "DC",
                            "max_voltage": 500,
                            "max_amperage": 100,
                            "max_electric_power": 50_000,
                            "last_updated": "2026-11-01T00:00:00Z",
                        }
                    ],
                    "last_updated": "2026-11-01T00:00:00Z",
                }
            ],
            "last_updated": "2026-11-01T00:00:00Z",
        } | changes

    def shown(self) -> dict[str, Any]:
        """Return how operators name the driver's token."""
        return {
            "country_code": "US",
            "party_id": "NRV",
            "uid": self.token["uid"],
            "type": "APP_USER",
            "contract_id": self.token["contract_id"],
        }

    def session(self, **changes: Any) -> dict[str, Any]:
        """Return a session of one hour and ten kilowatt-hours that is over, with changes."""
        return {
            "country_code": self.operator.country,
            "party_id": self.operator.party,
            "id": "S1",
            "start_date_time": "2026-11-20T08:00:00Z",
            "end_date_time": "2026-11-20T09:00:00Z",
            "kwh": 10.0,
            "cdr_token": self.shown(),
            "auth_method": "WHITELIST",
            "location_id": "LOC1",
            "evse_uid": "3256",
            "connector_id": "1",
            "currency": "USD",
            "status": "COMPLETED",
            "last_updated": "2026-11-20T09:00:00Z",
        } | changes

    def record(self, **changes: Any) -> dict[str, Any]:
        """Return the detail record of that session, with changes."""
        return {
            "country_code": self.operator.country,
            "party_id": self.operator.party,
            "id": "C1",
            "start_date_time": "2026-11-20T08:00:00Z",
            "end_date_time": "2026-11-20T09:00:00Z",
            "session_id": "S1",
            "cdr_token": self.shown(),
            "auth_method": "WHITELIST",
            "cdr_location": {
                "id": "LOC1",
                "address": "Market Street 1",
                "city": "Austin",
                "country": "USA",
                "coordinates": {"latitude": "30.267200", "longitude": "-97.743100"},
                "evse_uid": "3256",
                "evse_id": "NL*EXA*E3256",
                "connector_id": "1",
                "connector_standard": "IEC_62196_T2_COMBO",
                "connector_format": "CABLE",
                "connector_power_type": "DC",
            },
            "currency": "USD",
            "charging_periods": [
                {
                    "start_date_time": "2026-11-20T08:00:00Z",
                    "dimensions": [{"type": "ENERGY", "volume": 10.0}, {"type": "TIME", "volume": 1.0}],
                }
            ],
            "total_cost": {"excl_vat": 4.0, "incl_vat": 4.4},
            "total_energy": 10.0,
            "total_time": 1.0,
            "last_updated": "2026-11-20T09:05:00Z",
        } | changes


def invitation(house: House, **changes: Any) -> dict[str, Any]:
    """Return what ops give a charging network."""
    made = house.caller(Role.OPS_ADMIN).post("/v1/ops/roaming/peers", {"name": "Example"} | changes)
    assert made.status_code == 201, made.text
    answer: dict[str, Any] = made.json()
    return answer


@contextmanager
def opened_network(
    url: str, folder: Path, *, rule: Mapping[str, Any] = PER_KWH, **operator: Any
) -> Iterator[Network]:
    """Open a house with a campaign, of 10 points per kilowatt-hour unless said, and a registered operator."""
    clock = FixedClock(NOW)
    with opened_house(url, folder, clock, ocpi=OCPI) as house:
        invited = invitation(house)
        with running_operator(house.client, invited["invitation"], **operator) as cpo:
            answer = cpo.register()
            assert answer.json()["status_code"] == 1000, answer.text
            driver = house.driver()
            made = driver.post("/v1/me/charging-tokens")
            assert made.status_code == 201, made.text
            owner = sponsor(house, 100_000)
            campaign(owner, 50_000, rules=[rule])
            yield Network(house, cpo, clock, UUID(invited["peer_id"]), driver, made.json())
