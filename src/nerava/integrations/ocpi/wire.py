"""The fields of OCPI objects that we need, and nothing of the rest; 2.2.1 and 2.3.0 alike."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from nerava.integrations.ocpi.instants import read_instant

ID_CHARACTERS_MAX: Final = 39
"""Of a detail record; all others have up to 36, and longer ones of them are let in too."""


def _instant(value: object) -> datetime:
    found = read_instant(value)
    if found is None:
        message = "not an instant of RFC 3339"
        raise ValueError(message)
    return found


def _number(value: object) -> object:
    if isinstance(value, bool):
        message = "not a number"
        raise ValueError(message)
    return value


Id = Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS_MAX)]
CountryCode = Annotated[str, Field(pattern=r"^[A-Za-z]{2}$")]
PartyId = Annotated[str, Field(pattern=r"^[A-Za-z0-9*]{3}$")]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Number = Annotated[
    Decimal, BeforeValidator(_number), Field(allow_inf_nan=False, ge=-1_000_000_000, le=1_000_000_000)
]
Word = Annotated[str, Field(max_length=100)]
Text = Annotated[str, Field(max_length=500)]


class Wire(BaseModel):
    """A part of an OCPI object. Unknown fields are kept with the object and not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Owned(Wire):
    """What every object says about itself."""

    country_code: CountryCode
    party_id: PartyId
    id: Id
    last_updated: Instant


class Coordinates(Wire):
    """A point; texts on the wire, and from some peers numbers."""

    latitude: Number
    longitude: Number


class ConnectorIn(Wire):
    """A connector."""

    id: Id
    standard: Any = None
    power_type: Word | None = None
    max_voltage: Number | None = None
    max_amperage: Number | None = None
    max_electric_power: Number | None = None
    last_updated: Instant


class EvseIn(Wire):
    """An EVSE. Its status is what the peer says, known to us or not."""

    uid: Id
    evse_id: Any = None
    status: Word
    connectors: list[ConnectorIn] = []
    parking_restrictions: Any = None
    last_updated: Instant


class LocationIn(Owned):
    """A location. What only drivers read of it may be missing, or be anything."""

    publish: StrictBool = True
    name: Text | None = None
    address: Text | None = None
    coordinates: Coordinates
    time_zone: Word | None = None
    evses: list[EvseIn] | None = None
    city: Any = None
    postal_code: Any = None
    state: Any = None
    operator: Any = None
    opening_times: Any = None


class TokenIn(Wire):
    """What a driver showed. Without a type it is an RFID token."""

    country_code: CountryCode | None = None
    party_id: PartyId | None = None
    uid: Annotated[str, Field(min_length=1, max_length=36)]
    type: Word = "RFID"


class Dimension(Wire):
    """An amount of something in a period."""

    type: Word
    volume: Number


class Period(Wire):
    """A part of a charge."""

    start_date_time: Instant
    dimensions: list[Dimension] = []


class Price(Wire):
    """A price in either form: with VAT as 2.2.1 has it, with a list of taxes as 2.3.0 has it."""

    excl_vat: Number | None = None
    incl_vat: Number | None = None
    before_taxes: Number | None = None
    taxes: list[Tax] | None = None

    @property
    def paid(self) -> Decimal | None:
        """What is paid with all that is known of taxes; None where neither form is there."""
        if self.before_taxes is not None:
            return self.before_taxes + sum((one.amount for one in self.taxes or []), Decimal(0))
        return self.excl_vat if self.incl_vat is None else self.incl_vat


class Tax(Wire):
    """One tax."""

    amount: Number


class ChargeIn(Owned):
    """What sessions and detail records have in common."""

    start_date_time: Instant
    cdr_token: TokenIn
    currency: Annotated[str, Field(pattern=r"^[A-Za-z]{3}$")]
    charging_periods: list[Period] | None = None


class SessionIn(ChargeIn):
    """A session."""

    end_date_time: Instant | None = None
    kwh: Number
    location_id: Id | None = None
    evse_uid: Id | None = None
    connector_id: Id | None = None
    total_cost: Price | None = None
    status: Word


class CdrLocationIn(Wire):
    """Where a record says that it took place."""

    id: Id
    coordinates: Coordinates | None = None
    evse_uid: Id | None = None
    connector_id: Id | None = None


class CdrIn(ChargeIn):
    """A charge detail record."""

    end_date_time: Instant
    session_id: Id | None = None
    cdr_location: CdrLocationIn
    total_cost: Price
    total_energy: Number
    total_time: Number
    total_parking_time: Number | None = None
    credit: StrictBool = False
    credit_reference_id: Id | None = None
    home_charging_compensation: StrictBool = False
    signed_data: dict[str, Any] | None = None


class TariffIn(Wire):
    """A tariff. Examples of it lack `last_updated`, so it may be missing."""

    country_code: CountryCode
    party_id: PartyId
    id: Id
    currency: Word
    elements: list[dict[str, Any]]
    last_updated: Instant | None = None


class RoleIn(Wire):
    """A party in a role."""

    role: Word
    country_code: CountryCode
    party_id: PartyId
    business_details: BusinessIn | None = None


class BusinessIn(Wire):
    """Who stands behind a party."""

    name: Text = ""


class CredentialsIn(Wire):
    """How to reach a peer."""

    token: Annotated[str, Field(min_length=1, max_length=64)]
    url: Annotated[str, Field(min_length=1, max_length=500)]
    roles: Annotated[list[RoleIn], Field(min_length=1, max_length=50)]


class VersionIn(Wire):
    """A version that a peer speaks."""

    version: Word
    url: Annotated[str, Field(max_length=500)]


class EndpointIn(Wire):
    """A module of a peer."""

    identifier: Word
    role: Word = "SENDER"
    url: Annotated[str, Field(max_length=500)]


class VersionDetailsIn(Wire):
    """What a peer offers in a version."""

    version: Word
    endpoints: list[EndpointIn]


for _one in (Price, RoleIn, CredentialsIn, CdrIn, SessionIn):
    _one.model_rebuild()

Model = TypeVar("Model", bound=BaseModel)


class Drift(Exception):
    """A field that we need is missing or of another type; the message names it, and not its value."""


def read_as(model: type[Model], value: object) -> Model:
    """Return the fields that we need of a JSON value.

    Raises:
        Drift: One is missing or wrong.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"]) or "body"
        raise Drift(f"{where}: {first['type']}") from None
    except (RecursionError, OverflowError, ValueError, ArithmeticError):
        raise Drift("body: unreadable") from None
