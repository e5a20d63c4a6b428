"""Reads signals in all their forms: over REST, in webhooks of several ages, and of the second interface.

Milliseconds by the maker's clock; percent 0 to 100; energy in whole watt-hours, power in whole watts.
"""

from __future__ import annotations

import logging
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from nerava.integrations.smartcar.api import instant
from nerava.vehicles.ports import (
    CAPACITY,
    CHARGE_LEVEL,
    ENERGY_ADDED,
    IS_CHARGING,
    IS_PLUGGED,
    ODOMETER,
    PLACE,
    STATUS,
    WATTAGE,
    Signal,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = logging.getLogger(__name__)

NOT_UNDERSTOOD: Final = "not-understood"
_FACTS: Final = frozenset({IS_CHARGING, IS_PLUGGED})
_ENERGIES: Final = frozenset({ENERGY_ADDED, CAPACITY})
_KILO: Final = frozenset({"kwh", "kw", "kilowatt_hours", "kilowatts"})
_KEPT: Final = frozenset({STATUS, ODOMETER, WATTAGE, CHARGE_LEVEL}) | _FACTS | _ENERGIES
LAST_PARKED: Final = "LAST_PARKED"
BATCH_PATHS: Final = ("/charge", "/battery", "/battery/nominal_capacity", "/location", "/odometer")


def code_of(named: object) -> str:
    """Return the code of a signal that is named by its code, by `Group.Name`, or by an object."""
    if isinstance(named, dict):
        code = named.get("code")
        if isinstance(code, str) and code:
            return code.lower()
        return f"{named.get('group', '')}-{named.get('name', '')}".lower()
    return str(named).replace(".", "-").lower()


def is_ours(named: object) -> bool:
    """Whether a signal is one of those that we go by; name and group may stand exchanged."""
    code = code_of(named)
    group, _, name = code.partition("-")
    return bool({code, f"{name}-{group}"} & (_KEPT | {PLACE}))


def signals_in(rows: object) -> list[Signal]:
    """Return the signals of a list, one bad one leaving the others as they are."""
    if not isinstance(rows, list):
        return []
    found = (_signal(row) for row in rows if isinstance(row, dict))
    return [one for one in found if one is not None]


def _signal(row: Mapping[str, Any]) -> Signal | None:
    facts = row.get("attributes") if isinstance(row.get("attributes"), dict) else row
    if not isinstance(facts, dict):
        return None
    code, body = code_of(facts), facts.get("body")
    if code not in _KEPT and code != PLACE:
        return None
    meta = row.get("meta") if isinstance(row.get("meta"), dict) else {}
    at = instant((meta or {}).get("oemUpdatedAt"))
    status = facts.get("status") if isinstance(facts.get("status"), dict) else {}
    # Older payloads have no status: then a body is a success.
    if (status or {}).get("value") == "ERROR" or not isinstance(body, dict):
        error = (status or {}).get("error")
        error = error if isinstance(error, dict) else {}
        return Signal(code, {}, at, f"{error.get('type', 'ERROR')}:{error.get('code', '')}"[:80])
    return _normal(code, body, at)


def _normal(code: str, body: Mapping[str, Any], at: Any) -> Signal:  # noqa: ANN401 - an instant or none
    read = _place(body) if code == PLACE else _value(code, body)
    if read is None:
        log.warning("smartcar tells %s in a form that is not known", code)
        return Signal(code, {}, at, NOT_UNDERSTOOD)
    return Signal(code, read, at)


def _value(code: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
    value, unit = body.get("value"), str(body.get("unit") or "").lower()
    if code in _FACTS:
        return {"value": value} if isinstance(value, bool) else None
    if code == STATUS:
        return {"value": value[:40]} if isinstance(value, str) else None
    number = _capacity(body) if code == CAPACITY else _number(value)
    if number is None:
        return None
    return _measured(code, number, unit)


def _capacity(body: Mapping[str, Any]) -> Decimal | None:
    """Return the smallest capacity that a car may have: its owner may have chosen among several."""
    offered = body.get("availableCapacities")
    rows = [one for one in offered if isinstance(one, dict)] if isinstance(offered, list) else []
    told = [body.get("value"), body.get("capacity"), *(one.get("capacity") for one in rows)]
    return min((number for one in told if (number := _number(one))), default=None)


def _measured(code: str, number: Decimal, unit: str) -> dict[str, Any] | None:
    if code == CHARGE_LEVEL:
        percent = _percent(number, unit)
        return None if percent is None else {"value": float(percent), "unit": "percent"}
    if code in _ENERGIES:
        return {"value": int(number if unit == "wh" else number * 1_000), "unit": "Wh"}
    if code == WATTAGE:
        return {"value": int(number * 1_000 if unit in _KILO else number), "unit": "W"}
    return {"value": float(number), "unit": "km"}


def _percent(number: Decimal, unit: str) -> Decimal | None:
    """Return 0 to 100. A share without a unit is one; 1 without a unit may be both and is neither."""
    if not unit and 0 < number < 1:
        number *= 100
    elif not unit and number == 1:
        return None
    return number if 0 <= number <= 100 else None  # noqa: PLR2004 - percent


def _place(body: Mapping[str, Any]) -> dict[str, Any] | None:
    latitude, longitude = _number(body.get("latitude")), _number(body.get("longitude"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:  # noqa: PLR2004 - degrees
        return None
    kind = str(body.get("locationType") or "").upper()
    return {
        "latitude": float(latitude),
        "longitude": float(longitude),
        "is_last_parked": kind == LAST_PARKED,
    }


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def signals_of_batch(responses: Iterable[Mapping[str, Any]]) -> tuple[list[Signal], set[int]]:
    """Return the signals of a batch of the second interface, and every status that was inside."""
    found: list[Signal] = []
    statuses: set[int] = set()
    for one in responses:
        path, status, body = str(one.get("path")), one.get("code"), one.get("body")
        headers = one.get("headers") if isinstance(one.get("headers"), dict) else {}
        age = {str(name).lower(): value for name, value in (headers or {}).items()}.get("sc-data-age")
        statuses.add(status if type(status) is int else 0)
        if status == 200 and isinstance(body, dict):  # noqa: PLR2004 - success
            found += [_normal(code, given, instant(age)) for code, given in _of_path(path, body)]
    return found, statuses


def _of_path(path: str, body: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    match path:
        case "/charge":
            state = body.get("state")
            return [
                (IS_CHARGING, {"value": state == "CHARGING" if isinstance(state, str) else None}),
                (IS_PLUGGED, {"value": body.get("isPluggedIn")}),
                (STATUS, {"value": state}),
            ]
        case "/battery":
            # Of this interface it is a share, always: 1 is a full battery.
            share = _number(body.get("percentRemaining"))
            percent = None if share is None or not 0 <= share <= 1 else float(share * 100)
            return [(CHARGE_LEVEL, {"value": percent, "unit": "percent"})]
        case "/battery/nominal_capacity":
            capacity = body.get("capacity")
            nominal = capacity.get("nominal") if isinstance(capacity, dict) else None
            offered = body.get("availableCapacities")
            told = {"value": nominal, "availableCapacities": offered, "unit": "kWh"}
            return [] if nominal is None else [(CAPACITY, told)]
        case "/location":
            return [(PLACE, dict(body))]
        case "/odometer":
            return [(ODOMETER, {"value": body.get("distance")})]
        case _:
            return []
