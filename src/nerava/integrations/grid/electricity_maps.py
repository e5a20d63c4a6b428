"""Electricity Maps v3: what all kilowatt-hours of an hour emit on average, in grams per kilowatt-hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nerava.grid.carbon import Interval, Signal, Unit, mg_per_kwh
from nerava.integrations.grid.asking import NO_PLACE, drift, instant_of, number_of, outcome_of
from nerava.kernel.outcomes import Ok, Outcome, Refused
from nerava.platform.outbound import Result, ask_with
from nerava.platform.outbound.keyed import KeyedApi
from nerava.platform.provider_calls import EMAPS_READ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerava.kernel.geography import Point

BASE_URL: Final = "https://api.electricitymaps.com"
PROVIDER: Final = "electricity-maps"
ROOT: Final = "/v3/carbon-intensity"
HOUR: Final = timedelta(hours=1)
HOURLY: Final = frozenset({None, "hourly"})


class ElectricityMaps(KeyedApi):
    """`CarbonSource` over Electricity Maps. What it estimates is no settled value; it is told anew later.

    Its history reaches back a day, so an hour that is still estimated after that stays unknown.
    """

    address = BASE_URL
    source = PROVIDER
    signal = Signal.AVERAGE
    every = timedelta(minutes=30)
    corrects_within = timedelta(days=1)

    def region_at(self, place: Point | None) -> Outcome[str]:
        """Return the zone of a place."""
        if place is None:
            return Refused(NO_PLACE)
        told = self._read("/latest", [("lat", f"{place.latitude:.5f}"), ("lon", f"{place.longitude:.5f}")])
        if not isinstance(told, Ok):
            return told
        zone = told.value.get("zone")
        return Ok(zone) if isinstance(zone, str) and zone else drift(PROVIDER, "zone")

    def series(self, region: str, since: datetime, until: datetime) -> Outcome[Sequence[Interval]]:
        """Return the last day, as far as it is asked for, and the forecast where the plan has one."""
        past = self._hours("/history", "history", region, is_forecast=False)
        if not isinstance(past, Ok):
            return past
        ahead = self._hours("/forecast", "forecast", region, is_forecast=True)
        hours = past.value + (ahead.value if isinstance(ahead, Ok) else [])
        return Ok([one for one in hours if one.ends_at > since and one.starts_at < until])

    def _hours(self, path: str, member: str, zone: str, *, is_forecast: bool) -> Outcome[list[Interval]]:
        told = self._read(path, [("zone", zone)])
        if not isinstance(told, Ok):
            return told
        rows = told.value.get(member)
        if not isinstance(rows, list) or told.value.get("temporalGranularity") not in HOURLY:
            return drift(PROVIDER, member)
        found = []
        for row in rows:
            one = row if isinstance(row, dict) else {}
            if one.get("carbonIntensity") is None and "carbonIntensity" in one:
                continue  # an hour that nobody knows
            at, value = instant_of(one.get("datetime")), number_of(one.get("carbonIntensity"))
            mg = None if value is None else mg_per_kwh(value, Unit.G_PER_KWH)
            if at is None or mg is None:
                return drift(PROVIDER, f"{member}-row")
            is_settled = not is_forecast and one.get("isEstimated") is not True
            found.append(Interval(at, at + HOUR, mg, is_settled))
        return Ok(found)

    def _read(self, path: str, query: Sequence[tuple[str, str]]) -> Outcome[dict[str, Any]]:
        def ask(secret: str) -> Result:
            headers = {"auth-token": secret, "accept": "application/json"}
            return self._outbound.ask("GET", ROOT + path, EMAPS_READ.call, query=query, headers=headers)

        return outcome_of(ask_with(self._key, ask), PROVIDER)
