"""Writes the built-in sample: 200 invented charging sessions, the same ones every time.

Run `python tools/data/make_sample.py` after a change here; a test compares the result with what is
committed.
"""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SEED = 20_251_001
SESSIONS = 200
DRIVERS = 40
DAYS = 60
# Includes 2 November 2025, when the clocks in Chicago go back.
FIRST_DAY = datetime(2025, 10, 1, tzinfo=ZoneInfo("America/Chicago"))
TARGET = Path(__file__).parents[2] / "src/nerava/integrations/data/sample_sessions.csv"
COLUMNS = (
    "reference",
    "site",
    "station",
    "timezone",
    "started_at",
    "ended_at",
    "energy_wh",
    "user",
    "power_w_max",
)


@dataclass(frozen=True)
class Place:
    """An invented location: when people come (local hours), how long they stay, what it delivers."""

    site: str
    stations: int
    power_w_max: int
    hours: tuple[int, int]
    stay_minutes: tuple[int, int]


PLACES = (
    Place("Invented Garage North", 6, 11_000, (19, 24), (240, 720)),
    Place("Invented Office Park", 6, 7_400, (7, 11), (120, 540)),
    Place("Invented Market Square", 3, 50_000, (10, 21), (12, 55)),
    Place("Invented Night Depot", 4, 22_000, (0, 5), (60, 300)),
)


def between(rng: random.Random, low: int, high: int) -> int:
    """Return a whole number from `low` up to and without `high`."""
    # Only random() is promised to give the same numbers in every version of Python.
    return low + int(rng.random() * (high - low))


def sample() -> str:
    """Return the sample as CSV in our own format, sorted by start; nobody and no plug is in two places."""
    rng = random.Random(SEED)  # noqa: S311 - invented data, not secrets
    taken: dict[str, list[tuple[datetime, datetime]]] = {}
    drawn: list[tuple[datetime, datetime, Place, str, str, int]] = []
    while len(drawn) < SESSIONS:
        place = PLACES[between(rng, 0, len(PLACES))]
        minutes = between(rng, place.hours[0] * 60, place.hours[1] * 60)
        # Local wall time: adding to an aware datetime keeps its zone and moves the clock's hands.
        local = FIRST_DAY + timedelta(
            days=between(rng, 0, DAYS), minutes=minutes, seconds=between(rng, 0, 60)
        )
        start = local.astimezone(UTC)
        end = start + timedelta(minutes=between(rng, *place.stay_minutes), seconds=between(rng, 0, 60))
        station = (
            f"{''.join(word[0] for word in place.site.split())}-{between(rng, 1, place.stations + 1):02}"
        )
        driver = f"invented-driver-{between(rng, 1, DRIVERS + 1):02}"
        energy_wh = _energy_wh(rng, place, end - start)
        if any(_meets(start, end, other) for key in (station, driver) for other in taken.get(key, ())):
            continue
        for key in (station, driver):
            taken.setdefault(key, []).append((start, end))
        drawn.append((start, end, place, station, driver, energy_wh))
    return _written(sorted(drawn, key=lambda one: one[0]))


def _energy_wh(rng: random.Random, place: Place, stay: timedelta) -> int:
    """Return what a car took: it fills a share of its battery, or as much as the stay allows."""
    wanted_wh = between(rng, 4_000, 52_000)
    most_wh = int(place.power_w_max * stay.total_seconds() / 3600 * 0.92)
    return min(wanted_wh, most_wh)


def _meets(start: datetime, end: datetime, other: tuple[datetime, datetime]) -> bool:
    return start < other[1] and other[0] < end


def _written(drawn: list[tuple[datetime, datetime, Place, str, str, int]]) -> str:
    zone = ZoneInfo("America/Chicago")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, (start, end, place, station, driver, energy_wh) in enumerate(drawn, start=1):
        times = (start.astimezone(zone).isoformat(), end.astimezone(zone).isoformat())
        reference = f"invented-{number:03}"
        writer.writerow(
            (reference, place.site, station, zone.key, *times, energy_wh, driver, place.power_w_max)
        )
    return text.getvalue()


if __name__ == "__main__":
    TARGET.write_text(sample(), encoding="utf-8")
