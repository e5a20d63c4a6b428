"""From OCPI locations to charging sites as drivers find them, and to what their EVSEs are doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from nerava.discovery.feeds import Attribution
from nerava.discovery.records import (
    Access,
    Address,
    EvseRecord,
    Plug,
    PlugKind,
    SiteRecord,
    SiteStatus,
)
from nerava.roaming.places import EvseState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nerava.integrations.ocpi.wire import ConnectorIn, EvseIn, LocationIn
    from nerava.kernel.geography import Point

REMOVED: Final = "REMOVED"
LICENCE: Final = "by agreement with the operator"

_KINDS: Final = {
    "CHADEMO": PlugKind.CHADEMO,
    "DOMESTIC": PlugKind.DOMESTIC,
    "GBT_AC": PlugKind.GBT_AC,
    "GBT_DC": PlugKind.GBT_DC,
    "IEC_60309": PlugKind.IEC_60309,
    "IEC_62196_T1_COMBO": PlugKind.IEC_62196_T1_COMBO,
    "IEC_62196_T1": PlugKind.IEC_62196_T1,
    "IEC_62196_T2_COMBO": PlugKind.IEC_62196_T2_COMBO,
    "IEC_62196_T2": PlugKind.IEC_62196_T2,
    "IEC_62196_T3": PlugKind.IEC_62196_T3,
    "NEMA": PlugKind.DOMESTIC,
    "SAE_J3400": PlugKind.SAE_J3400,
}
"""By how the standard begins; the longer beginnings first."""

_USABLE: Final = frozenset({"AVAILABLE", "BLOCKED", "CHARGING", "RESERVED"})
_BROKEN: Final = frozenset({"INOPERATIVE", "OUTOFORDER"})
_IDLE: Final = frozenset({"AVAILABLE", "BLOCKED", "INOPERATIVE", "OUTOFORDER", "PLANNED", "RESERVED"})
_CHARGING: Final = "CHARGING"
_DAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def terms_of(location: LocationIn) -> Attribution:
    """Return what is shown beside rows of an operator: whose they are."""
    party = f"{location.country_code.upper()}-{location.party_id.upper()}"
    return Attribution(f"Charging locations of {party}", "", LICENCE)


def listed(
    location: LocationIn, position: Point, power_of: Callable[[ConnectorIn], int | None]
) -> SiteRecord:
    """Return a location as a charging site. What its operator removed is left out."""
    evses = _present(location)
    named = location.name or location.address
    operator = location.operator if isinstance(location.operator, Mapping) else {}
    return SiteRecord(
        reference=location.id.lower(),
        name=named or location.id,
        is_named=location.name is not None,
        position=position,
        timezone=location.time_zone,
        operator=_text(operator.get("name")),
        website=_text(operator.get("website")),
        access=_access(evses),
        status=_status(evses),
        address=Address(
            street=location.address,
            city=_text(location.city),
            postcode=_text(location.postal_code),
            state=_text(location.state),
        ),
        opening_hours=hours_of(location.opening_times),
        evses=tuple(
            EvseRecord(
                reference=evse.uid.lower(),
                evse_id=_text(evse.evse_id),
                connectors={
                    one.id.lower(): Plug(kind=_kind(one.standard), power_w_max=power_of(one))
                    for one in evse.connectors
                },
            )
            for evse in evses
        ),
    )


def is_shown(location: LocationIn) -> bool:
    """Whether drivers may see it: it is published, and something of it is left."""
    return location.publish and bool(_present(location))


def states_of(location: LocationIn) -> tuple[EvseState, ...]:
    """Return what the operator says its EVSEs are doing; of those whose state means nothing, nothing."""
    return tuple(
        EvseState(evse=evse.uid.lower(), in_use=evse.status == _CHARGING, at=evse.last_updated)
        for evse in location.evses or ()
        if evse.status == _CHARGING or evse.status in _IDLE
    )


def hours_of(told: object) -> str | None:
    """Return opening times in the grammar of OpenStreetMap; None where there are exceptions, or no sense."""
    if not isinstance(told, Mapping) or told.get("exceptional_openings") or told.get("exceptional_closings"):
        return None
    if told.get("twentyfourseven") is True:
        return "24/7"
    days: dict[int, list[str]] = {}
    regular = told.get("regular_hours")
    for one in regular if isinstance(regular, list) else ():
        read = _span(one)
        if read is None:
            return None
        days.setdefault(read[0], []).append(read[1])
    return "; ".join(f"{_DAYS[day - 1]} {','.join(sorted(days[day]))}" for day in sorted(days)) or None


def _span(told: object) -> tuple[int, str] | None:
    """Return a day of the week, Monday being 1, and a span of time on it."""
    if not isinstance(told, Mapping):
        return None
    day, begins, ends = told.get("weekday"), told.get("period_begin"), told.get("period_end")
    if type(day) is not int or not 1 <= day <= len(_DAYS) or not _is_time(begins) or not _is_time(ends):
        return None
    return day, f"{begins}-{ends}"


def _present(location: LocationIn) -> Sequence[EvseIn]:
    return [evse for evse in location.evses or () if evse.status != REMOVED]


def _status(evses: Iterable[EvseIn]) -> SiteStatus:
    told = {evse.status for evse in evses}
    if told & _USABLE:
        return SiteStatus.OPEN
    if told and told <= _BROKEN:
        return SiteStatus.UNAVAILABLE
    return SiteStatus.PLANNED if told == {"PLANNED"} else SiteStatus.UNKNOWN


def _access(evses: Iterable[EvseIn]) -> Access:
    told = [evse.parking_restrictions for evse in evses]
    customers_only = told and all(isinstance(one, list) and "CUSTOMERS" in one for one in told)
    return Access.RESTRICTED if customers_only else Access.PUBLIC


def _kind(standard: object) -> PlugKind:
    if not isinstance(standard, str):
        return PlugKind.UNKNOWN
    return next((kind for begins, kind in _KINDS.items() if standard.startswith(begins)), PlugKind.UNKNOWN)


def _text(told: object) -> str | None:
    return told if isinstance(told, str) and told.strip() else None


def _is_time(told: object) -> bool:
    if not isinstance(told, str) or len(told) != len("08:00") or told[2] != ":":
        return False
    hour, minute = told[:2], told[3:]
    return hour.isdecimal() and minute.isdecimal() and int(hour) < 25 and int(minute) < 60  # noqa: PLR2004 - a clock
