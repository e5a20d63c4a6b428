"""What a call of the Alternative Fuel Stations API asks for: parameters, filters, distances."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.nlr.problems import bad_value
from nerava.simulators.nlr.station import FUELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nerava.simulators.wire import Json

MILES_IN_KM: Final = 1.609344
EARTH_KM: Final = 6_371.0
LIMIT_MAX: Final = 200
RADIUS_MAX: Final = 500.0
_LEVELS: Final = ("1", "2", "dc_fast", "legacy", "all")


class Asked:
    """The parameters of one call; a value that is not allowed is refused when it is looked at."""

    def __init__(self, given: dict[str, str]) -> None:
        self.given = given

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """Return a number within bounds; without a default it must be there."""
        text = self.given.get(name)
        allowed = f"a number between {low} and {high}"
        if text is None or not text:
            if default is None:
                raise bad_value(name, f"{allowed} and is required")
            return default
        try:
            found = float(text)
        except ValueError:
            raise bad_value(name, allowed) from None
        if not low <= found <= high:
            raise bad_value(name, allowed)
        return found

    def limit(self, default: int | None, *, takes_all: bool = True) -> int | None:
        """Return how many records are wanted at most, None for all of them."""
        text = self.given.get("limit")
        if text is None:
            return default
        if text == "all" and takes_all:
            return None
        if not re.fullmatch(r"\d{1,3}", text) or int(text) > LIMIT_MAX:
            raise bad_value("limit", f"between 0 and {LIMIT_MAX}" + (" or all" if takes_all else ""))
        return int(text)

    def offset(self) -> int:
        """Return how many records are skipped."""
        text = self.given.get("offset", "0")
        if not re.fullmatch(r"\d{1,7}", text):
            raise bad_value("offset", "0 or more")
        return int(text)

    def words(
        self, name: str, default: str = "all", *, known: Iterable[str] | None = None
    ) -> set[str] | None:
        """Return the words of a list with commas, None for all of them."""
        words = {one.strip() for one in self.given.get(name, default).split(",") if one.strip()}
        if not words or "all" in words:
            return None
        if known is not None and not words <= set(known):
            raise bad_value(name, f"of {', '.join(known)}, all")
        return words


def filters(asked: Asked) -> Callable[[Json], bool]:
    """Return what decides whether a station is wanted."""
    equal: list[tuple[str, set[str] | None]] = [
        ("fuel_type_code", asked.words("fuel_type", known=FUELS)),
        ("status_code", asked.words("status", known=("E", "P", "T"))),
        ("access_code", asked.words("access", known=("public", "private"))),
        ("state", asked.words("state")),
        ("zip", asked.words("zip")),
        ("country", asked.words("country", "US")),
        ("ev_network", asked.words("ev_network")),
        ("facility_type", asked.words("facility_type")),
        ("id", asked.words("ids")),
    ]
    wanted = [(name, words) for name, words in equal if words is not None]
    is_charger = _charger_filter(asked)

    def fits(station: Json) -> bool:
        return all(str(station[name]) in words for name, words in wanted) and is_charger(station)

    return fits


def _charger_filter(asked: Asked) -> Callable[[Json], bool]:
    levels = asked.words("ev_charging_level", known=_LEVELS)
    plugs = asked.words("ev_connector_type")
    every = asked.given.get("ev_connector_type_operator", "OR").upper() == "AND"
    low = asked.number("ev_power_kw_min", 0, 10_000, 0)
    high = asked.number("ev_power_kw_max", 0, 10_000, math.inf)
    ids = asked.words("ev_network_station_ids")

    def fits(station: Json) -> bool:
        units = station["ev_charging_units"] or []
        if levels and not levels & {one["charging_level"] for one in units}:
            return False
        has = set(station["ev_connector_types"] or [])
        if plugs and not (plugs <= has if every else plugs & has):
            return False
        if (low > 0 or high < math.inf) and not any(low <= power <= high for power in _powers(units)):
            return False
        return not ids or bool(ids & set((station.get("ev_network_ids") or {}).get("station", [])))

    return fits


def _powers(units: list[Json]) -> list[float]:
    plugs: list[Any] = [plug for one in units for plug in one["connectors"].values()]
    return [float(plug["power_kw"]) for plug in plugs if plug["port_count"] and plug["power_kw"] is not None]


def km_between(latitude: float, longitude: float, station: Json) -> float:
    """Return kilometres along a great circle."""
    south, north = math.radians(latitude), math.radians(station["latitude"])
    across = math.radians(station["longitude"] - longitude)
    chord = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin(across / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(chord)))


def at_distance(station: Json, km: float) -> Json:
    """Return a record with its distance."""
    return station | {"distance": round(km / MILES_IN_KM, 5), "distance_km": round(km, 5)}


def line_of(text: str) -> list[tuple[float, float]]:
    """Return the points of a `LINESTRING(lon lat, …)` as latitude and longitude."""
    match = re.fullmatch(r"\s*LINESTRING\s*\(([^()]+)\)\s*", text, re.IGNORECASE)
    try:
        pairs = [one.split() for one in match[1].split(",")] if match else []
        points = [(float(latitude), float(longitude)) for longitude, latitude in pairs]
    except ValueError:
        points = []
    if len(points) < 2:  # noqa: PLR2004 - a line has two ends
        raise bad_value("route", "a WKT LINESTRING")
    return points


def km_to_line(line: list[tuple[float, float]], station: Json) -> float:
    """Return kilometres to the nearest of many points along a line; close enough for a stand-in."""
    nearest = math.inf
    for (south, west), (north, east) in pairwise(line):
        for step in range(51):
            part = step / 50
            at = south + (north - south) * part, west + (east - west) * part
            nearest = min(nearest, km_between(*at, station))
    return nearest
