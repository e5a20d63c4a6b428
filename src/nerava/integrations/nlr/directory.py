"""`LocationDirectory` over the Alternative Fuel Stations API: what is in a box, and one station by its id."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nerava.discovery.feeds import Reject
from nerava.discovery.ports import AreaRead
from nerava.integrations.nlr.api import NOT_FOUND
from nerava.integrations.nlr.circles import circles_of, is_in
from nerava.integrations.nlr.feed import SOURCE, open_feed
from nerava.integrations.nlr.reading import ATTRIBUTION, FIELDS, read
from nerava.integrations.nlr.regions import may_have_stations
from nerava.kernel.outcomes import Ok, Outcome, Refused, Unknown
from nerava.platform.provider_calls import NLR_NEAREST, NLR_STATION

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from nerava.discovery.feeds import Attribution, Feed
    from nerava.discovery.records import SiteRecord
    from nerava.integrations.nlr.api import NlrApi
    from nerava.integrations.nlr.circles import Circle
    from nerava.kernel.geography import Box
    from nerava.platform.cache import Cache
    from nerava.platform.provider_calls import ProviderCall

PAGE: Final = 200
PAGES_MAX: Final = 40
"""Eight thousand stations around one place; more is no area, but a bulk load."""

READINGS_MAX: Final = 3
"""How often a circle is read when stations come or go between its pages."""

_MOVED: Final = "moved-while-read"


class NlrLocations:
    """Charging sites of the United States and Canada. Coordinates in, WGS 84 out; power in watts."""

    source = SOURCE
    attribution: Attribution = ATTRIBUTION

    def __init__(self, api: NlrApi, cache: Cache | None = None) -> None:
        """Read with one key; what was read within a quarter of an hour is not read again."""
        self._api = api
        self._cache = cache

    def within(self, box: Box) -> Outcome[AreaRead]:
        """Return the sites in a box, each once, by id.

        Neighbouring boxes share no site: a box holds its south and west edges only. Of what lies
        outside of North America nothing is asked: nothing is there.
        """
        stations: dict[str, SiteRecord] = {}
        rejects: list[Reject] = []
        for circle in circles_of(box):
            if not may_have_stations(circle.box):
                continue
            (latitude, longitude), miles = circle.centre, circle.radius_miles
            mark = f"{latitude:.4f}/{longitude:.4f}/{miles:.2f}/ELEC/all"
            read_out = self._kept(NLR_NEAREST, mark, partial(self._around, circle))
            if not isinstance(read_out, Ok):
                return read_out
            for row, station in enumerate(read_out.value, 1):
                found = read(station, row)
                if isinstance(found, Reject):
                    rejects.append(found)
                elif is_in(box, found.position):
                    stations[found.reference] = found
        return Ok(AreaRead(tuple(stations.values()), tuple(rejects)))

    def one(self, reference: str) -> Outcome[SiteRecord | None]:
        """Return a site by its id, None if NLR has none of it."""
        if not (reference.isascii() and reference.isdecimal()):
            return Ok(None)
        asked = self._kept(NLR_STATION, reference, partial(self._station, reference))
        if isinstance(asked, Refused) and asked.code == NOT_FOUND:
            return Ok(None)
        if not isinstance(asked, Ok):
            return asked
        found = read(asked.value)
        return Unknown(f"schema-drift:{found.reason}") if isinstance(found, Reject) else Ok(found)

    def everything(self, now: datetime) -> Outcome[Feed]:
        """Return all sites as a feed, state by state."""
        return open_feed(self._api, now)

    def _kept(self, call: ProviderCall, key: str, load: Callable[[], Outcome[Any]]) -> Outcome[Any]:
        if self._cache is None or call.region is None:
            return load()
        return self._cache.get(call.region, key, load).outcome

    def _station(self, reference: str) -> Outcome[Any]:
        asked = self._api.get(NLR_STATION.call, f"/v1/{reference}.json")
        return Ok(_plain(asked.value.get("alt_fuel_station"))) if isinstance(asked, Ok) else asked

    def _around(self, circle: Circle) -> Outcome[list[Any]]:
        """Read all pages of a circle, and once more when the number of stations changed between them."""
        outcome: Outcome[list[Any]] = Unknown(_MOVED)
        for _ in range(READINGS_MAX):
            outcome = self._pages(circle)
            if not (isinstance(outcome, Unknown) and outcome.code == _MOVED):
                return outcome
        return outcome

    def _pages(self, circle: Circle) -> Outcome[list[Any]]:
        found: list[Any] = []
        total: int | None = None
        for page in range(PAGES_MAX):
            asked = self._api.get(NLR_NEAREST.call, "/v1/nearest.json", _query(circle, page * PAGE))
            if not isinstance(asked, Ok):
                return asked
            stations, counted = asked.value.get("fuel_stations"), asked.value.get("total_results")
            if not isinstance(stations, list) or type(counted) is not int:
                return Unknown("schema-drift:fuel_stations")
            if total is not None and counted != total:
                return Unknown(_MOVED)
            total = counted
            found += map(_plain, stations)
            if len(found) >= total or not stations:
                return Ok(found)
        return Refused("area-too-full", "so many stations are for a bulk load")


def _plain(station: object) -> object:
    """Return what we read of a station, as JSON has it: that is what is kept."""
    if not isinstance(station, dict):
        return None
    return {
        name: float(value) if isinstance(value, Decimal) else value
        for name, value in station.items()
        if name in FIELDS
    } | {"ev_charging_units": _units(station.get("ev_charging_units"))}


def _units(told: object) -> object:
    # Powers are the only fractions inside; JSON knows no decimals.
    return json.loads(json.dumps(told, default=float))


def _query(circle: Circle, offset: int) -> list[tuple[str, str]]:
    return [
        ("latitude", f"{circle.centre.latitude:.6f}"),
        ("longitude", f"{circle.centre.longitude:.6f}"),
        ("radius", f"{circle.radius_miles:.3f}"),
        ("fuel_type", "ELEC"),
        ("status", "all"),
        ("access", "all"),
        ("country", "all"),
        ("limit", str(PAGE)),
        ("offset", str(offset)),
    ]
