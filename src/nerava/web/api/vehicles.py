"""The cars of the signed-in driver: connecting one, what it said last, and letting it go."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.guard import TenantId
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.vehicles.connecting import CONSENT_TEXT, Returned, connection_of
from nerava.vehicles.errors import (
    ConnectStateInvalid,
    UnknownConnection,
    UnknownVehicleLink,
    VehicleConsentUnknown,
    VehiclesOff,
)
from nerava.vehicles.links import end_own, links_of
from nerava.vehicles.service import connected
from nerava.vehicles.states import ConnectState, LinkState
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

routes: Final = router("vehicles")

_READS: Final = Policy(roles=("driver",), scope="vehicles:read")
_CHANGES: Final = Policy(roles=("driver",), scope="vehicles:write", repeats=Repeats.BY_MEANING)
_Word = Annotated[str, Field(min_length=1, max_length=512)]


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class SignalOut(_Shown):
    """One thing that a car said last, and how old it is."""

    code: str
    value: bool | int | float | str | None
    trouble: str | None = Field(description="Why it says nothing newer")
    at: datetime = Field(description="When it was so, by the maker's clock")
    received_at: datetime


class VehicleOut(_Shown):
    """A car that a driver connected."""

    id: UUID = Field(description="Of the connection; a car connected anew may have another one")
    make: str
    model: str
    year: int | None
    provider: str
    mode: str = Field(description="live, or test: a made-up car, which never earns")
    state: LinkState = Field(description="Only an active one earns; a broken one wants to be connected again")
    trouble: str | None
    consented_at: datetime
    heard_at: datetime | None
    signals: list[SignalOut]


class VehiclesOut(BaseModel):
    """A driver's cars, the first connected first, and the text to agree to for another one."""

    vehicles: list[VehicleOut]
    consent_text: str = CONSENT_TEXT


class ConnectIn(Body):
    """What the driver agreed to."""

    consent_text: str = Field(max_length=64, description="The text that was shown", examples=[CONSENT_TEXT])


class ConnectOut(BaseModel):
    """Where to send the driver."""

    id: UUID
    url: str = Field(description="The provider's page; it sends back to our page with `state`")
    expires_at: datetime


class ReturnIn(Body):
    """What stood in the address to which the provider sent the driver back."""

    state: _Word
    code: _Word | None = None
    user_id: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    error: Annotated[str, Field(max_length=80)] | None = None


class ConnectionOut(_Shown):
    """How far connecting is; `done` means that the cars are there."""

    id: UUID
    state: ConnectState
    trouble: str | None = Field(description="Why it failed, or what it waits for")
    created_at: datetime
    done_at: datetime | None


@routes.get("/vehicles", summary="My cars")
@guarded(_READS)
def my_vehicles(driver_id: TenantId, wired: Wired) -> VehiclesOut:
    """Return the caller's cars with what each said last; where they are is not kept."""
    found = wired.database.read(lambda session: links_of(session, driver_id))
    return VehiclesOut(vehicles=[VehicleOut.model_validate(one) for one in found])


@routes.post(
    "/vehicle-connections",
    summary="Connect a car",
    status_code=HTTPStatus.CREATED,
    response_model=ConnectOut,
    responses=problems(VehiclesOff, VehicleConsentUnknown, ConnectStateInvalid),
)
@guarded(_CHANGES)
def begin(body: ConnectIn, driver_id: TenantId, actor: Acting, wired: Wired, now: Now) -> Response:
    """Return the provider's page on which the driver agrees; good for 15 minutes on this sign-in."""
    begun = connected(wired.vehicles).connecting.begin(actor, driver_id, body.consent_text, now)
    shown = ConnectOut(id=begun.connection.id, url=begun.url, expires_at=begun.connection.expires_at)
    return Response(shown.model_dump_json(), HTTPStatus.CREATED, media_type="application/json")


@routes.post(
    "/vehicle-connections/return",
    summary="I am back from the provider",
    responses=problems(VehiclesOff, ConnectStateInvalid),
)
@guarded(_CHANGES)
def come_back(body: ReturnIn, driver_id: TenantId, actor: Acting, wired: Wired, now: Now) -> ConnectionOut:
    """Take the driver back. The state is used up by it; the cars are looked up a moment later."""
    returned = Returned(body.state, code=body.code, account=body.user_id, error=body.error)
    row = connected(wired.vehicles).connecting.finish(actor, driver_id, returned, now)
    return ConnectionOut.model_validate(row)


@routes.get(
    "/vehicle-connections/{connection_id}",
    summary="How far is connecting?",
    responses=problems(UnknownConnection),
)
@guarded(_READS)
def how_far(connection_id: UUID, driver_id: TenantId, wired: Wired) -> ConnectionOut:
    """Return how far it is; that of another driver is not found."""

    def look(session: Session) -> ConnectionOut:
        return ConnectionOut.model_validate(connection_of(session, driver_id, connection_id))

    return wired.database.read(look)


@routes.delete(
    "/vehicles/{vehicle_id}",
    summary="Disconnect a car",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownVehicleLink),
)
@guarded(_CHANGES)
def disconnect(vehicle_id: UUID, driver_id: TenantId, actor: Acting, wired: Wired, now: Now) -> Response:
    """Take the consent back: nothing more is read, what the car said is forgotten. Repeats safely."""

    def work(session: Session) -> None:
        end_own(session, driver_id, vehicle_id, now)
        wired.audit.record(session, actor.entry("vehicle.disconnect", "vehicle_link", vehicle_id), now)

    wired.database.run(work)
    return Response(status_code=HTTPStatus.NO_CONTENT)
