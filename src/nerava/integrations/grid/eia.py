"""EIA v2: hourly generation by fuel of a balancing authority, and what it emits by our factors."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from nerava.grid.carbon import Interval, Signal, Unit, mg_per_kwh
from nerava.integrations.grid.asking import drift, number_of, outcome_of
from nerava.kernel.outcomes import Ok, Outcome, Refused
from nerava.platform.outbound import Result, Surroundings, ask_with
from nerava.platform.outbound.keyed import KeyedApi
from nerava.platform.provider_calls import EIA_READ

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nerava.kernel.geography import Point
    from nerava.platform.live_secrets import Given

BASE_URL: Final = "https://api.eia.gov"
PROVIDER: Final = "eia"
PATH: Final = "/v2/electricity/rto/fuel-type-data/data/"
PAGE: Final = 5_000
PAGES_MAX: Final = 50
HOUR: Final = timedelta(hours=1)

KG_PER_MWH: Final = {"COL": 1_048, "NG": 435, "OIL": 1_116}
"""Kilograms of CO2 per megawatt-hour where fuel is burnt; the average of the United States in 2023."""

CLEAN: Final = frozenset({"NUC", "SUN", "WAT", "WND", "GEO", "BAT", "PS", "SNB", "UES"})
"""What burns nothing. Anything else is counted as gas, because nobody says what it is."""


class Eia(KeyedApi):
    """`CarbonSource` over EIA. Its key stands in the address, so no address of it is written anywhere.

    An hour is named by its end. What is drawn by pumps and batteries, told as less than nothing, is left
    out. EIA does not say which authority a place belongs to: there is one for all sites, which is set.
    """

    address = BASE_URL
    source = PROVIDER
    signal = Signal.AVERAGE
    every = timedelta(hours=1)
    corrects_within = timedelta(days=3)

    def __init__(
        self,
        key: Given,
        respondent: str,
        *,
        base_url: str | None = None,
        now: Callable[[], datetime],
        surroundings: Surroundings | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(key, base_url=base_url, now=now, surroundings=surroundings, pause=pause)
        self._respondent = respondent

    def region_at(self, place: Point | None) -> Outcome[str]:  # noqa: ARG002 - one for all sites
        """Return the balancing authority that is set."""
        return Ok(self._respondent)

    def series(self, region: str, since: datetime, until: datetime) -> Outcome[Sequence[Interval]]:
        """Return the hours whose generation is known; there are no forecasts."""
        rows: list[Any] = []
        for page in range(PAGES_MAX):
            told = self._page(region, since, until, page * PAGE)
            if not isinstance(told, Ok):
                return told
            data, total = told.value
            rows += data
            if len(rows) >= total or not data:
                return _intervals(rows)
        return Refused("too-many", "ask for a shorter time")

    def _page(
        self, region: str, since: datetime, until: datetime, offset: int
    ) -> Outcome[tuple[list[Any], int]]:
        query = [
            ("frequency", "hourly"),
            ("data[]", "value"),
            ("facets[respondent][]", region),
            ("start", _hour(since)),
            ("end", _hour(until)),
            ("sort[0][column]", "period"),
            ("sort[0][direction]", "asc"),
            ("offset", str(offset)),
            ("length", str(PAGE)),
        ]

        def ask(secret: str) -> Result:
            return self._outbound.ask(
                "GET",
                PATH,
                EIA_READ.call,
                query=[*query, ("api_key", secret)],
                headers={"accept": "application/json"},
            )

        told = outcome_of(ask_with(self._key, ask), PROVIDER)
        if not isinstance(told, Ok):
            return told
        answer = told.value.get("response")
        found = answer if isinstance(answer, dict) else {}
        data, total = found.get("data"), _exact(found.get("total"))
        if not isinstance(data, list) or total is None:
            return drift(PROVIDER, "response")
        return Ok((data, int(total)))


def _intervals(rows: Sequence[Any]) -> Outcome[Sequence[Interval]]:
    burnt: dict[datetime, Decimal] = defaultdict(Decimal)
    made: dict[datetime, Decimal] = defaultdict(Decimal)
    for row in rows:
        one = row if isinstance(row, dict) else {}
        ends_at, fuel, unit = _period(one.get("period")), one.get("fueltype"), one.get("value-units")
        if ends_at is None or not isinstance(fuel, str) or unit != "megawatthours":
            return drift(PROVIDER, "row")
        if one.get("value") is None:
            continue
        value = _exact(one["value"])
        if value is None:
            return drift(PROVIDER, "value")
        if value > 0:
            made[ends_at] += value
            burnt[ends_at] += value * (0 if fuel in CLEAN else KG_PER_MWH.get(fuel, KG_PER_MWH["NG"]))
    found = []
    for ends_at in sorted(made):
        mg = mg_per_kwh(burnt[ends_at] / made[ends_at], Unit.KG_PER_MWH)
        if mg is None:
            return drift(PROVIDER, "value")
        found.append(Interval(ends_at - HOUR, ends_at, mg))
    return Ok(found)


def _period(told: object) -> datetime | None:
    try:
        return datetime.strptime(str(told), "%Y-%m-%dT%H").replace(tzinfo=UTC)
    except ValueError:
        return None


def _exact(told: object) -> Decimal | None:
    """Return a number that may come as text."""
    if not isinstance(told, str):
        return number_of(told)
    try:
        found = Decimal(told)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _hour(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H")
