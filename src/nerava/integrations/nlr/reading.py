"""Stations in NLR's words read as charging sites; what is no site is rejected with a reason."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from nerava.discovery.feeds import Attribution, Reject
from nerava.discovery.records import Access, Address, Plug, PlugKind, SiteRecord, SiteStatus
from nerava.kernel.geography import Point

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ATTRIBUTION: Final = Attribution(
    "Charging stations: Alternative Fuels Data Center, U.S. Department of Energy; no endorsement is meant.",
    "https://afdc.energy.gov/stations/",
    "any use",
)
STATUSES: Final[Mapping[str, SiteStatus]] = {
    "E": SiteStatus.OPEN,
    "P": SiteStatus.PLANNED,
    "T": SiteStatus.UNAVAILABLE,
}
"""`E` alone is open. `expected_date` is not read: at a broken station it is the day on which it went down."""

KINDS: Final[Mapping[str, PlugKind]] = {
    "J1772": PlugKind.IEC_62196_T1,
    "J1772COMBO": PlugKind.IEC_62196_T1_COMBO,
    "CHADEMO": PlugKind.CHADEMO,
    "TESLA": PlugKind.SAE_J3400,
    "NEMA515": PlugKind.DOMESTIC,
    "NEMA520": PlugKind.DOMESTIC,
    "NEMA1450": PlugKind.DOMESTIC,
}
FIELDS: Final = frozenset(
    {
        "access_code",
        "access_days_time",
        "access_detail_code",
        "city",
        "country",
        "date_last_confirmed",
        "ev_charging_units",
        "ev_dc_fast_num",
        "ev_level1_evse_num",
        "ev_level2_evse_num",
        "ev_network",
        "ev_network_ids",
        "ev_network_web",
        "ev_pricing",
        "fuel_type_code",
        "geocode_status",
        "groups_with_access_code",
        "id",
        "latitude",
        "longitude",
        "restricted_access",
        "state",
        "station_name",
        "station_phone",
        "status_code",
        "street_address",
        "updated_at",
        "zip",
    }
)
"""What is read of a station; nothing else of it is kept."""

_EXACT: Final = frozenset({"GPS", "200-9", "200-8"})
"""Where a person stood, a building, an address; coarser codes are streets, towns and postcodes."""

_RESTRICTED: Final = frozenset({"CALL", "KEY_AFTER_HOURS", "KEY_ALWAYS", "LIMITED_HOURS", "RESIDENTIAL"})
_NOT_NETWORKED: Final = "non-networked"
_ALWAYS: Final = "24 hours daily"
_WATTS_MAX: Final = 10_000_000


def read(station: object, row: int | None = None) -> SiteRecord | Reject:
    """Return a station as a charging site. Unknown codes read as unknown; a null power is unknown, not 0."""
    if not isinstance(station, dict):
        return Reject(row, None, "no-object", "a station is no object")
    number = station.get("id")
    if type(number) is not int:
        return Reject(row, None, "no-id", "a station has no whole number as its id")
    reference = str(number)
    if _text(station, "fuel_type_code") not in {None, "ELEC"}:
        return Reject(row, reference, "not-electric", "a station is for another fuel")
    latitude, longitude = _number(station.get("latitude")), _number(station.get("longitude"))
    if latitude is None or longitude is None:
        return Reject(row, reference, "no-position", "a station has no position")
    name, network = _text(station, "station_name"), _text(station, "ev_network")
    hours = _text(station, "access_days_time")
    return SiteRecord(
        reference=reference,
        name=name or f"Charging station {reference}",
        is_named=name is not None,
        position=Point(float(latitude), float(longitude)),
        is_exact=_text(station, "geocode_status") in _EXACT,
        network=None if (network or "").casefold() == _NOT_NETWORKED else network,
        access=_access(station),
        access_text=_text(station, "groups_with_access_code") if hours in {None, _ALWAYS} else hours,
        status=STATUSES.get(str(station.get("status_code")).strip().upper(), SiteStatus.UNKNOWN),
        address=_address(station),
        opening_hours="24/7" if hours == _ALWAYS else None,
        phone=_text(station, "station_phone"),
        website=_text(station, "ev_network_web"),
        is_free=True if (_text(station, "ev_pricing") or "").casefold() == "free" else None,
        price_text=_text(station, "ev_pricing"),
        plugs=_plugs(station),
        aliases=_aliases(station, network),
        fetched_at=_instant(station.get("date_last_confirmed")) or _instant(station.get("updated_at")),
    )


def _access(station: Mapping[str, Any]) -> Access:
    match str(station.get("access_code")).strip().casefold():
        case "private":
            return Access.PRIVATE
        case "public" if station.get("restricted_access") is True:
            return Access.RESTRICTED
        case "public" if str(station.get("access_detail_code")).upper() in _RESTRICTED:
            return Access.RESTRICTED
        case "public":
            return Access.PUBLIC
        case _:
            return Access.UNKNOWN


def _address(station: Mapping[str, Any]) -> Address:
    country = _text(station, "country")
    return Address(
        street=_text(station, "street_address"),
        city=_text(station, "city"),
        postcode=_text(station, "zip"),
        state=_text(station, "state"),
        country=country.upper() if country else None,
    )


def _plugs(station: Mapping[str, Any]) -> tuple[Plug, ...]:
    """Return plugs by kind and rating; where no unit is described, as many unknown ones as are counted."""
    counted: Counter[tuple[PlugKind, int | None]] = Counter()
    units = station.get("ev_charging_units")
    for unit in units if isinstance(units, list) else []:
        for name, count, power_w in _connectors(unit):
            counted[KINDS.get(name, PlugKind.UNKNOWN), power_w] += count
    if not counted:
        counts = ("ev_level1_evse_num", "ev_level2_evse_num", "ev_dc_fast_num")
        ports = sum(_count(station.get(name)) for name in counts)
        return (Plug(count=ports),) if ports else ()
    ordered = sorted(counted.items(), key=lambda one: (one[0][0], one[0][1] or 0))
    return tuple(Plug(kind=kind, count=count, power_w_max=power) for (kind, power), count in ordered)


def _connectors(unit: object) -> Iterable[tuple[str, int, int | None]]:
    """Yield name, count and watts of the connectors that a unit has; others are listed with a count of 0."""
    listed = unit.get("connectors") if isinstance(unit, dict) else None
    for name, told in listed.items() if isinstance(listed, dict) else ():
        count = _count(told.get("port_count")) if isinstance(told, dict) else 0
        if count:
            yield str(name), count, _watts(told.get("power_kw"))


def _watts(told: object) -> int | None:
    power = _number(told)
    watts = 0 if power is None else int(power * 1_000)
    return watts if 0 < watts <= _WATTS_MAX else None


def _aliases(station: Mapping[str, Any], network: str | None) -> tuple[str, ...]:
    """Return the names that the network itself gives the site; NLR's keys are irregular and are folded."""
    told = station.get("ev_network_ids")
    named = told.get("station") if isinstance(told, dict) else None
    if network is None or not isinstance(named, list):
        return ()
    key = "_".join(network.casefold().split())
    return tuple(f"network:{key}:{one}" for one in named if isinstance(one, str | int) and str(one).strip())


def _text(station: Mapping[str, Any], name: str) -> str | None:
    told = station.get(name)
    return told.strip() or None if isinstance(told, str) else None


def _count(told: object) -> int:
    return told if type(told) is int and 0 < told < 10_000 else 0  # noqa: PLR2004 - more is a mistake


def _number(told: object) -> Decimal | None:
    if isinstance(told, bool) or not isinstance(told, int | float | Decimal):
        return None
    found = Decimal(told) if not isinstance(told, float) else Decimal(str(told))
    return found if found.is_finite() else None


def _instant(told: object) -> datetime | None:
    """Return an instant or the beginning of a day; NLR's times are UTC."""
    if not isinstance(told, str):
        return None
    try:
        found = datetime.fromisoformat(told)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
