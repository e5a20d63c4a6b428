"""Recorded series and tariffs as sources, at the instants when they were recorded or moved to today."""

from __future__ import annotations

import csv
import gzip
import json
from array import array
from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nerava.grid.carbon import Interval, Signal, Unit, mg_per_kwh
from nerava.grid.tariffs import BadTariff, Tariff, TariffName, Tier
from nerava.integrations.grid.packages import REGIONS, TARIFFS_FILE, carbon_file
from nerava.kernel.outcomes import Ok, Outcome, Refused, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nerava.kernel.geography import Point

SOURCE: Final = "files"
STEP: Final = timedelta(minutes=5)
TURN: Final = timedelta(days=364)
"""By as many of these the past is moved: the weekday stays, and nearly the season."""

EDISON: Final = "Southern California Edison Co"
ALL: Final = "ALL"


class _Recorded(NamedTuple):
    """Seconds since 1970 at which intervals of five minutes start, and their values; 250,000 of each."""

    starts_s: array[int]
    mg_per_kwh: array[int]


class CarbonFiles:
    """`CarbonSource` over a recorded series; every site lies in the one region that is named.

    Args:
        data_dir: Where `fetch_grid` has put them.
        region: One of `packages.REGIONS`.
        now: Moves the series by whole years of weeks, so that it reaches a day beyond now; None leaves
            it where it was recorded.
    """

    source = SOURCE
    signal = Signal.MARGINAL
    every = timedelta(hours=1)
    corrects_within = timedelta(0)

    def __init__(self, data_dir: Path, region: str, now: Callable[[], datetime] | None = None) -> None:
        self._data_dir = data_dir
        self._region = region
        self._now = now
        self._read: _Recorded | None = None

    def region_at(self, place: Point | None) -> Outcome[str]:  # noqa: ARG002 - one for all sites
        """Return the region."""
        return Ok(self._region)

    def series(self, region: str, since: datetime, until: datetime) -> Outcome[Sequence[Interval]]:
        """Return what was recorded; what lies ahead of now is a forecast."""
        if region not in REGIONS:
            return Refused("no-region")
        if self._read is None:
            self._read = _recorded(self._data_dir, region)
        if self._read is None or not self._read.starts_s:
            return Unknown("schema-drift:file")
        starts_s, values = self._read
        now = None if self._now is None else self._now()
        moved = timedelta(0) if now is None else _moved(_instant(starts_s[-1]) + STEP, now)
        first = bisect_left(starts_s, (since - moved - STEP).timestamp())
        last = bisect_left(starts_s, (until - moved).timestamp())
        found = []
        for second, mg in zip(starts_s[first:last], values[first:last], strict=True):
            starts_at = _instant(second) + moved
            is_settled = now is None or starts_at + STEP <= now
            found.append(Interval(starts_at, starts_at + STEP, mg, is_settled))
        return Ok(found)

    def close(self) -> None:
        """Forget what was read."""
        self._read = None


class TariffFiles:
    """`TariffSource` over recorded tariffs of one utility, for every site."""

    source = SOURCE
    every = timedelta(days=1)

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def region_at(self, place: Point | None) -> Outcome[str]:  # noqa: ARG002 - one for all sites
        """Return the one region."""
        return Ok(EDISON)

    def tariffs(self, region: str, changed_since: datetime | None) -> Outcome[Sequence[Tariff]]:  # noqa: ARG002 - a file
        """Return all of them."""
        try:
            stored = json.loads((self._data_dir / TARIFFS_FILE).read_bytes(), parse_float=Decimal)
            return Ok([_tariff(name, told) for name, told in sorted(stored.items())])
        except (OSError, ValueError, KeyError, TypeError, BadTariff):
            return Unknown("schema-drift:file")

    def close(self) -> None:
        """Do nothing: the file is closed after every read."""


def _recorded(data_dir: Path, region: str) -> _Recorded | None:
    found = _Recorded(array("q"), array("l"))
    try:
        with gzip.open(carbon_file(data_dir, region), "rt", encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows)
            for told, value in rows:
                at, mg = datetime.fromisoformat(told), mg_per_kwh(Decimal(value), Unit.KG_PER_KWH)
                if mg is None or at.tzinfo is None:
                    return None
                found.starts_s.append(round(at.timestamp()))
                found.mg_per_kwh.append(mg)
    except (OSError, EOFError, ValueError, InvalidOperation, StopIteration):
        return None
    return found


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def _moved(end: datetime, now: datetime) -> timedelta:
    """Return the fewest turns by which a series that ends there reaches a day beyond now."""
    behind = now + timedelta(days=1) - end
    return max(0, -(-behind // TURN)) * TURN


def _tariff(name: str, told: dict[str, Any]) -> Tariff:
    """Return a tariff whose periods are its prices, the lowest first."""
    prices = sorted({Decimal(price) for season in told["schedule"] for price in season["tariffs"]})
    weekday, weekend = [[0] * 24 for _ in range(12)], [[0] * 24 for _ in range(12)]
    for season in told["schedule"]:
        hours = _hours(season, prices)
        for month in _months(season["effective_start"], season["effective_end"]):
            if season["dow_mask"] in {"WEEKDAYS", ALL}:
                weekday[month] = hours
            if season["dow_mask"] in {"WEEKENDS", ALL}:
                weekend[month] = hours
    year, month, day = map(int, told["effective"].split("-"))
    # Two files of TOU-EV-8 claim one date; the later one says in its name since when it holds.
    starts_on = date(2019, 6, 1) if name.endswith("june_2019") else date(year, month, day)
    return Tariff(
        source=SOURCE,
        reference=name,
        called=TariffName(EDISON, told["name"]),
        starts_on=starts_on,
        ends_on=None,
        periods=tuple((Tier(price),) for price in prices),
        weekday=tuple(map(tuple, weekday)),
        weekend=tuple(map(tuple, weekend)),
    )


def _hours(season: dict[str, Any], prices: Sequence[Decimal]) -> list[int]:
    begins = dict(zip(season["times"], season["tariffs"], strict=True))
    hours, period = [], 0
    for hour in range(24):
        if hour in begins:
            period = prices.index(Decimal(begins[hour]))
        hours.append(period)
    return hours


def _months(start: str, end: str) -> list[int]:
    """Return the months from one date to another, counted from 0; winter wraps over the year's end."""
    first, last = (int(told.partition("-")[0]) - 1 for told in (start, end))
    return [(first + number) % 12 for number in range((last - first) % 12 + 1)]
