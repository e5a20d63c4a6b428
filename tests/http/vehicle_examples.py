"""Examples of operations on cars and on ways to connect one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.vehicles.model import Vehicle, VehicleConnect, VehicleLink
from nerava.vehicles.states import ConnectState, LinkState
from tests.http.example import Example

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy.orm import Session

    from tests.http.conftest import Caller, House


def link_of(house: House, owner: Caller, state: LinkState) -> UUID:
    now, link_id, car_id = house.installation.clock.now(), new_id(), new_id()
    car = Vehicle(id=car_id, make="VOLKSWAGEN", model="ID.4", year=2024, created_at=now)
    link = VehicleLink(
        id=link_id,
        vehicle_id=car_id,
        driver_id=owner.tenant_id,
        user_id=owner.subject,
        provider="smartcar",
        account=str(new_id()),
        external_id=str(new_id()),
        mode="live",
        state=state.value,
        consent_text="vehicle-data-2026-11",
        scopes="read_charge",
        consented_at=now,
        created_at=now,
    )

    def unit(session: Session) -> None:
        session.add(car)
        session.flush()
        session.add(link)

    house.installation.database.run(unit)
    return link_id


def _car(house: House) -> Example:
    owner = house.driver()
    link_id = link_of(house, owner, LinkState.ACTIVE)
    return Example(owner, {"vehicle_id": str(link_id)}, {"vehicle_id": str(new_id())})


def _review(house: House) -> Example:
    link_id = link_of(house, house.driver(), LinkState.REVIEW)
    ops = house.caller(Role.OPS_SUPPORT)
    body = {"accepted": False, "reason": "case 7"}
    return Example(ops, {"link_id": str(link_id)}, {"link_id": str(new_id())}, body)


def _connection(house: House) -> Example:
    owner, now, row_id = house.driver(), house.installation.clock.now(), new_id()
    row = VehicleConnect(
        id=row_id,
        state_hash=row_id.bytes * 2,
        driver_id=owner.tenant_id,
        user_id=owner.subject,
        session_id=new_id(),
        provider="smartcar",
        consent_text="vehicle-data-2026-11",
        state=ConnectState.ASKED.value,
        created_at=now,
        expires_at=now,
    )
    house.installation.database.run(lambda session: session.add(row))
    return Example(owner, {"connection_id": str(row_id)}, {"connection_id": str(new_id())})


VEHICLE_EXAMPLES: Final[dict[str, Callable[[House], Example]]] = {
    "DELETE /v1/vehicles/{vehicle_id}": _car,
    "GET /v1/vehicle-connections/{connection_id}": _connection,
    "POST /v1/ops/vehicle-reviews/{link_id}/decision": _review,
}
