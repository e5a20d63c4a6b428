"""From OCPI objects to charges and sites in our units, with what speaks against them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Final

import orjson

from nerava.charging.evidence import PRICE_MINOR_MAX, EvidenceLevel, SessionPrice
from nerava.integrations.ocpi.listing import is_shown, listed, states_of, terms_of
from nerava.integrations.ocpi.signed_values import signed_energy_wh
from nerava.kernel.currencies import minor_digits
from nerava.kernel.geography import Point
from nerava.roaming.charges import Charge
from nerava.roaming.model import Module, key_of
from nerava.roaming.places import Plug, Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerava.integrations.ocpi.wire import (
        CdrIn,
        ChargeIn,
        ConnectorIn,
        Coordinates,
        LocationIn,
        Period,
        Price,
        SessionIn,
        TokenIn,
    )

NONE_NAMED: Final = frozenset({"", "#NA", "NA", "N/A"})
"""What operators write where an EVSE or a connector is not known."""

TOO_OLD_YEAR: Final = 2000
"""Of instants that mean nothing, such as the first second of 1970."""

DOUBTFUL_ENERGY: Final = "doubtful_energy"
TOLERANCE_SHARE: Final = Decimal("0.05")
TOLERANCE_KWH: Final = Decimal("0.5")
_THOUSAND: Final = Decimal(1_000)
_HOUR_US: Final = Decimal(3_600_000_000)
_HOURS_MAX: Final = Decimal(10_000)
_PHASES: Final = {"AC_3_PHASE": 3, "AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2}
_LATITUDE_MAX: Final = Decimal(90)
_LONGITUDE_MAX: Final = Decimal(180)
POWER_W_MAX: Final = 10_000_000


def source_of(country_code: str, party_id: str) -> str:
    """Return how an operator is named as a source: `ocpi:DE-ABC`."""
    return f"ocpi:{country_code.upper()}-{party_id.upper()}"


def site_of(location: LocationIn) -> Site | None:
    """Return a location as a site; None where it has no time zone, without which no local rule holds."""
    if location.time_zone is None:
        return None
    point = point_of(location.coordinates)
    return Site(
        source=source_of(location.country_code, location.party_id),
        reference=location.id.lower(),
        name=location.name or location.address or location.id,
        timezone=location.time_zone,
        latitude=None if point is None else point[0],
        longitude=None if point is None else point[1],
        terms=terms_of(location),
        listed=listed(location, Point(*point), _power_w) if point and is_shown(location) else None,
        states=states_of(location),
        plugs=tuple(
            Plug(evse=evse.uid.lower(), connector=one.id.lower(), power_w_max=_power_w(one))
            for evse in location.evses or ()
            if evse.status != "REMOVED"
            for one in evse.connectors
        ),
    )


def point_of(coordinates: Coordinates | None) -> tuple[float, float] | None:
    """Return latitude and longitude; None where they are outside the globe, as exchanged ones may be."""
    if coordinates is None:
        return None
    latitude, longitude = coordinates.latitude, coordinates.longitude
    if abs(latitude) > _LATITUDE_MAX or abs(longitude) > _LONGITUDE_MAX:
        return None
    return float(latitude), float(longitude)


def charge_of_session(session: SessionIn, text: str, own: tuple[str, str]) -> Charge:
    """Return what a session says; `own` is our country code and party."""
    ended_at = session.end_date_time
    if ended_at is None and session.status == "COMPLETED":
        ended_at = session.last_updated
    if ended_at is not None:
        parked = _volume(session.charging_periods, "PARKING_TIME")
        ended_at = _less(session.start_date_time, ended_at, parked)
    energy_wh = _wh(session.kwh)
    return Charge(
        source=source_of(session.country_code, session.party_id),
        reference=session.id.lower(),
        record=f"session:{session.id.lower()}",
        token_uid=_uid(session.cdr_token, own),
        token_kind=session.cdr_token.type,
        location=_named(session.location_id),
        location_key=_location_key(session, session.location_id),
        evse=_named(session.evse_uid),
        connector=_named(session.connector_id),
        started_at=session.start_date_time,
        ended_at=ended_at,
        told_at=session.last_updated,
        energy_wh=energy_wh,
        level=EvidenceLevel.PARTNER,
        price=price_of(session.total_cost, session.currency),
        body=_body(text, energy_wh, session.total_cost, session.currency),
    )


def charge_of_cdr(cdr: CdrIn, text: str, own: tuple[str, str]) -> Charge:
    """Return what a detail record says, at the level that it proves; a doubtful one is a mere word."""
    energy_kwh, doubt = _believed_kwh(cdr)
    energy_wh = _wh(energy_kwh)
    started_at, ended_at = _times(cdr)
    level = EvidenceLevel.CDR
    signed_wh = signed_energy_wh(cdr.signed_data)
    if signed_wh is not None and _agree(Decimal(signed_wh) / _THOUSAND, energy_kwh):
        level = EvidenceLevel.SIGNED_CDR
    record = f"cdr:{cdr.id.lower()}"
    return Charge(
        source=source_of(cdr.country_code, cdr.party_id),
        reference=record if cdr.session_id is None else cdr.session_id.lower(),
        record=record,
        token_uid=_uid(cdr.cdr_token, own),
        token_kind=cdr.cdr_token.type,
        location=_named(cdr.cdr_location.id),
        location_key=_location_key(cdr, cdr.cdr_location.id),
        evse=_named(cdr.cdr_location.evse_uid),
        connector=_named(cdr.cdr_location.connector_id),
        started_at=started_at,
        ended_at=ended_at,
        told_at=cdr.last_updated,
        energy_wh=energy_wh,
        level=EvidenceLevel.PARTNER if doubt else level,
        price=price_of(cdr.total_cost, cdr.currency),
        body=_body(text, energy_wh, cdr.total_cost, cdr.currency),
        doubt=doubt,
    )


def minor_units(price: Price | None, currency: str) -> int | None:
    """Return a price in minor units of its currency, rounded half to even; None where there is none."""
    paid = None if price is None else price.paid
    if paid is None:
        return None
    scaled = paid.scaleb(minor_digits(currency))
    return int(scaled.to_integral_value(rounding=ROUND_HALF_EVEN))


def price_of(price: Price | None, currency: str) -> SessionPrice | None:
    """Return what the operator asks for a charge, taxes that it names included; None where it says nothing.

    A negative cost is no price of a charge, and an absurd one is none that anybody pays.
    """
    minor = minor_units(price, currency)
    if minor is None or not 0 <= minor <= PRICE_MINOR_MAX:
        return None
    return SessionPrice(minor, currency.upper())


def _believed_kwh(cdr: CdrIn) -> tuple[Decimal, str | None]:
    """Return the delivered energy, and a doubt where the periods say something else.

    What flowed back to the grid is none. One of both sides in watt-hours is a known mistake.
    """
    total = max(Decimal(0), cdr.total_energy)
    dimensions = [one for period in cdr.charging_periods or () for one in period.dimensions]
    measured = [one.volume for one in dimensions if one.type == "ENERGY"]
    if not measured:
        return total, None
    delivered = sum((one for one in measured if one > 0), Decimal(0))
    net = max(Decimal(0), sum(measured, Decimal(0)))
    if any(_agree(one, total) for one in (delivered, net, delivered / _THOUSAND)):
        return min(total, delivered) if min(measured) < 0 else total, None
    if _agree(delivered, total / _THOUSAND):
        return delivered, None
    return total, DOUBTFUL_ENERGY


def _agree(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= max(TOLERANCE_KWH, TOLERANCE_SHARE * max(one, other))


def _times(cdr: CdrIn) -> tuple[datetime, datetime | None]:
    """Return when charging began and ended; an instant that means nothing follows from the other one."""
    started_at, ended_at = cdr.start_date_time, cdr.end_date_time
    took = _hours(cdr.total_time)
    if ended_at.year < TOO_OLD_YEAR <= started_at.year:
        ended_at = started_at + took
    elif started_at.year < TOO_OLD_YEAR <= ended_at.year:
        started_at = ended_at - took
    elif started_at.year < TOO_OLD_YEAR:
        return started_at, None
    parked = cdr.total_parking_time
    if parked is None:
        parked = _volume(cdr.charging_periods, "PARKING_TIME")
    if parked > 0 and cdr.total_time > parked:
        ended_at = min(ended_at, started_at + _hours(cdr.total_time - parked))
    return started_at, ended_at


def _less(started_at: datetime, ended_at: datetime, parked: Decimal) -> datetime:
    return max(started_at, ended_at - _hours(parked)) if parked > 0 else ended_at


def _hours(hours: Decimal) -> timedelta:
    bounded = min(max(hours, Decimal(0)), _HOURS_MAX)
    return timedelta(microseconds=int(bounded * _HOUR_US))


def _volume(periods: Sequence[Period] | None, kind: str) -> Decimal:
    every = [one for period in periods or () for one in period.dimensions]
    return sum((one.volume for one in every if one.type == kind and one.volume > 0), Decimal(0))


def _wh(kwh: Decimal) -> int:
    return max(0, int(kwh * _THOUSAND))


def _power_w(connector: ConnectorIn) -> int | None:
    watts = connector.max_electric_power
    if watts is None or watts <= 0:
        if connector.max_voltage is None or connector.max_amperage is None:
            return None
        watts = connector.max_voltage * connector.max_amperage * _PHASES.get(connector.power_type or "", 1)
    return int(watts) if 1 <= watts <= POWER_W_MAX else None


def _uid(token: TokenIn, own: tuple[str, str]) -> str:
    """Return the uid of a token that may be ours; an empty text for one of another party."""
    theirs = (token.country_code or own[0]).upper(), (token.party_id or own[1]).upper()
    return token.uid if theirs == own else ""


def _named(name: str | None) -> str | None:
    return None if name is None or name.strip().upper() in NONE_NAMED else name.lower()


def _location_key(charge: ChargeIn, location_id: str | None) -> str:
    party = charge.country_code.upper(), charge.party_id.upper()
    return key_of(Module.LOCATIONS.value, *party, (location_id or "").lower())


def _body(text: str, energy_wh: int, price: Price | None, currency: str) -> dict[str, object]:
    read = {
        "energy_wh": energy_wh,
        "price_minor": minor_units(price, currency),
        "currency": currency.upper(),
    }
    return {"sent": orjson.loads(text), "read": read}
