"""Points of Open Charge Map read as charging sites, each under the licence of whoever gave it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from nerava.discovery.feeds import Attribution, Reject
from nerava.discovery.records import Access, Address, Plug, PlugKind, SiteRecord, SiteStatus
from nerava.kernel.geography import Point

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Final[Mapping[int, PlugKind]] = {
    1: PlugKind.IEC_62196_T1,
    2: PlugKind.CHADEMO,
    9: PlugKind.DOMESTIC,
    11: PlugKind.DOMESTIC,
    16: PlugKind.IEC_60309,
    17: PlugKind.IEC_60309,
    22: PlugKind.DOMESTIC,
    25: PlugKind.IEC_62196_T2,
    26: PlugKind.IEC_62196_T3,
    27: PlugKind.SAE_J3400,
    28: PlugKind.DOMESTIC,
    30: PlugKind.SAE_J3400,
    32: PlugKind.IEC_62196_T1_COMBO,
    33: PlugKind.IEC_62196_T2_COMBO,
    34: PlugKind.IEC_60309,
    35: PlugKind.IEC_60309,
    1036: PlugKind.IEC_62196_T2,
    1038: PlugKind.GBT_AC,
    1039: PlugKind.GBT_AC,
    1040: PlugKind.GBT_DC,
}
_STATUSES: Final[Mapping[int, SiteStatus]] = {
    30: SiteStatus.UNAVAILABLE,
    50: SiteStatus.OPEN,
    75: SiteStatus.OPEN,
    100: SiteStatus.UNAVAILABLE,
    150: SiteStatus.PLANNED,
}
_REMOVED: Final = 200
_USAGES: Final[Mapping[int, Access]] = {
    1: Access.PUBLIC,
    2: Access.PRIVATE,
    3: Access.RESTRICTED,
    4: Access.RESTRICTED,
    5: Access.PUBLIC,
    6: Access.RESTRICTED,
    7: Access.PUBLIC,
}
_NO_LICENCE: Final = "unknown"
_LICENCE_MAX: Final = 80
_WATTS_MAX: Final = 10_000_000
_PORTS_MAX: Final = 10_000


def provider_of(point: Mapping[str, Any]) -> tuple[str, Attribution, bool]:
    """Return the source that a row is kept under, what must be shown with it, and whether it is open data."""
    told = point.get("DataProvider")
    provider: Mapping[str, Any] = told if isinstance(told, dict) else {}
    title = _text(provider, "Title") or "an unknown provider"
    text = f"{title}, by way of Open Charge Map; {_text(provider, 'License') or 'no licence is stated'}"
    url = _text(provider, "WebsiteURL") or "https://openchargemap.org"
    licence = (_text(provider, "License") or _NO_LICENCE)[:_LICENCE_MAX]
    number = provider.get("ID")
    name = f"ocm:{number}" if type(number) is int else "ocm:unknown"
    return name, Attribution(text[:500], url[:500], licence), provider.get("IsOpenDataLicensed") is True


def read(point: Mapping[str, Any], row: int | None = None) -> SiteRecord | Reject:
    """Return a point as a charging site; what is unknown stays unknown."""
    number = point.get("ID")
    if type(number) is not int:
        return Reject(row, None, "no-id", "a point has no whole number as its id")
    reference = str(number)
    told = point.get("AddressInfo")
    where: Mapping[str, Any] = told if isinstance(told, dict) else {}
    latitude, longitude = _number(where.get("Latitude")), _number(where.get("Longitude"))
    if latitude is None or longitude is None:
        return Reject(row, reference, "no-position", "a point has no position")
    if _id(point, "StatusType", "StatusTypeID") == _REMOVED:
        return Reject(row, reference, "removed", "a point that was taken down")
    name, operator = _text(where, "Title"), point.get("OperatorInfo")
    return SiteRecord(
        reference=reference,
        name=name or f"Charging point {reference}",
        is_named=name is not None,
        position=Point(float(latitude), float(longitude)),
        operator=_text(operator, "Title") if isinstance(operator, dict) else None,
        access=_USAGES.get(_id(point, "UsageType", "UsageTypeID") or 0, Access.UNKNOWN),
        access_text=_text(where, "AccessComments"),
        status=_STATUSES.get(_id(point, "StatusType", "StatusTypeID") or 0, SiteStatus.UNKNOWN),
        address=_address(where),
        phone=_text(where, "ContactTelephone1"),
        website=_text(where, "RelatedURL"),
        price_text=_text(point, "UsageCost"),
        is_free=True if (_text(point, "UsageCost") or "").casefold() == "free" else None,
        plugs=_plugs(point),
        fetched_at=_instant(point.get("DateLastVerified")) or _instant(point.get("DateLastStatusUpdate")),
    )


def _address(where: Mapping[str, Any]) -> Address:
    country = where.get("Country")
    code = _text(country, "ISOCode") if isinstance(country, dict) else None
    return Address(
        street=_text(where, "AddressLine1"),
        city=_text(where, "Town"),
        postcode=_text(where, "Postcode"),
        state=_text(where, "StateOrProvince"),
        country=code.upper() if code else None,
    )


def _plugs(point: Mapping[str, Any]) -> tuple[Plug, ...]:
    counted: Counter[tuple[PlugKind, int | None]] = Counter()
    told = point.get("Connections")
    for one in told if isinstance(told, list) else []:
        if not isinstance(one, dict):
            continue
        kind = KINDS.get(_id(one, "ConnectionType", "ConnectionTypeID") or 0, PlugKind.UNKNOWN)
        counted[kind, _watts(one.get("PowerKW"))] += _count(one.get("Quantity"))
    ordered = sorted(counted.items(), key=lambda one: (one[0][0], one[0][1] or 0))
    return tuple(Plug(kind=kind, count=count, power_w_max=power) for (kind, power), count in ordered)


def _count(told: object) -> int:
    """Return how many there are; where nobody says how many, there is one."""
    return told if type(told) is int and 0 < told < _PORTS_MAX else 1


def _id(of: Mapping[str, Any], name: str, reference: str) -> int | None:
    """Return the id of a thing that stands in full, by its id alone, or not at all."""
    full = of.get(name)
    found = full.get("ID") if isinstance(full, dict) else of.get(reference)
    return found if type(found) is int else None


def _watts(told: object) -> int | None:
    power = _number(told)
    watts = 0 if power is None else int(power * 1_000)
    return watts if 0 < watts <= _WATTS_MAX else None


def _text(of: Mapping[str, Any], name: str) -> str | None:
    told = of.get(name)
    return told.strip() or None if isinstance(told, str) else None


def _number(told: object) -> Decimal | None:
    if isinstance(told, bool) or not isinstance(told, int | float | Decimal):
        return None
    found = Decimal(str(told))
    return found if found.is_finite() else None


def _instant(told: object) -> datetime | None:
    """Return an instant; one without a zone is UTC."""
    if not isinstance(told, str):
        return None
    try:
        found = datetime.fromisoformat(told)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
