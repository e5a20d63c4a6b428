"""Writes the built-in sample: 200 invented charging sessions and 6 rows that are none, always the same.

Of the sessions 192 are drawn by chance and all in order; eight are made to earn little or nothing or to be
doubted. The six rows at the end are made to be refused. So reasons can be seen without real data.

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
SESSIONS = 192
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


GARAGE, OFFICE, MARKET, DEPOT = PLACES


@dataclass(frozen=True)
class Drawn:
    """A session as it is written: instants in UTC, energy in Wh."""

    start: datetime
    end: datetime
    place: Place
    station: str
    driver: str
    energy_wh: int
    reference: str = ""


@dataclass(frozen=True)
class Odd:
    """A session that is made to stand out, so many days after the drawn ones."""

    reference: str
    driver: int
    place: Place
    day: int
    hour: int
    stay: timedelta
    energy_wh: int


ODD = (
    Odd("too-little-1", 3, MARKET, 0, 12, timedelta(minutes=22), 640),
    Odd("too-little-2", 8, OFFICE, 1, 12, timedelta(minutes=41), 910),
    Odd("once-that-night", 37, DEPOT, 2, 2, timedelta(minutes=20), 880),
    Odd("again-that-night", 37, DEPOT, 2, 4, timedelta(minutes=16), 730),
    Odd("too-short-1", 12, MARKET, 3, 15, timedelta(seconds=95), 1_040),
    Odd("too-short-2", 30, MARKET, 4, 18, timedelta(seconds=38), 410),
    Odd("faster-than-its-plug", 15, OFFICE, 5, 9, timedelta(minutes=60), 21_300),
)

REFUSED = (
    ("no-end", {"ended_at": ""}),
    ("ends-before-it-starts", {"ended_at": "2025-12-08T09:15:00-06:00"}),
    ("no-energy", {"energy_wh": "0"}),
    ("809-kw", {"energy_wh": "809458"}),
    ("no-such-zone", {"timezone": "America/Chicgo"}),
    ("sent-again", {"reference": "invented-001"}),
)
"""What is wrong with each row that is made to be refused; the rest of it is in order."""


def between(rng: random.Random, low: int, high: int) -> int:
    """Return a whole number from `low` up to and without `high`."""
    # Only random() is promised to give the same numbers in every version of Python.
    return low + int(rng.random() * (high - low))


def sample() -> str:
    """Return the sample as CSV in our own format, sorted by start; nobody and no plug is in two places."""
    rng = random.Random(SEED)  # noqa: S311 - invented data, not secrets
    taken: dict[str, list[tuple[datetime, datetime]]] = {}
    drawn: list[Drawn] = []
    while len(drawn) < SESSIONS:
        place = PLACES[between(rng, 0, len(PLACES))]
        minutes = between(rng, place.hours[0] * 60, place.hours[1] * 60)
        # Local wall time: adding to an aware datetime keeps its zone and moves the clock's hands.
        local = FIRST_DAY + timedelta(
            days=between(rng, 0, DAYS), minutes=minutes, seconds=between(rng, 0, 60)
        )
        start = local.astimezone(UTC)
        end = start + timedelta(minutes=between(rng, *place.stay_minutes), seconds=between(rng, 0, 60))
        station = _station(place, between(rng, 1, place.stations + 1))
        driver = _driver(between(rng, 1, DRIVERS + 1))
        energy_wh = _energy_wh(rng, place, end - start)
        if any(_meets(start, end, other) for key in (station, driver) for other in taken.get(key, ())):
            continue
        for key in (station, driver):
            taken.setdefault(key, []).append((start, end))
        drawn.append(Drawn(start, end, place, station, driver, energy_wh))
    return _written(_in_time([*drawn, *_odd(_in_time(drawn)[-1])]))


def _odd(last: Drawn) -> list[Drawn]:
    """Return the sessions that are made to stand out, at plugs that nobody else uses."""
    made = []
    for one in ODD:
        start = (FIRST_DAY + timedelta(days=DAYS + one.day, hours=one.hour)).astimezone(UTC)
        station = _station(one.place, one.place.stations + 1)
        reference, driver = f"invented-{one.reference}", _driver(one.driver)
        made.append(
            Drawn(start, start + one.stay, one.place, station, driver, one.energy_wh, reference=reference)
        )
    elsewhere = Drawn(
        last.start + timedelta(minutes=5),
        last.end + timedelta(minutes=5),
        DEPOT,
        _station(DEPOT, DEPOT.stations + 1),
        last.driver,
        9_300,
        reference="invented-in-two-places",
    )
    return [*made, elsewhere]


def _in_time(drawn: list[Drawn]) -> list[Drawn]:
    return sorted(drawn, key=lambda one: one.start)


def _station(place: Place, number: int) -> str:
    return f"{''.join(word[0] for word in place.site.split())}-{number:02}"


def _driver(number: int) -> str:
    return f"invented-driver-{number:02}"


def _energy_wh(rng: random.Random, place: Place, stay: timedelta) -> int:
    """Return what a car took: it fills a share of its battery, or as much as the stay allows."""
    wanted_wh = between(rng, 4_000, 52_000)
    most_wh = int(place.power_w_max * stay.total_seconds() / 3600 * 0.92)
    return min(wanted_wh, most_wh)


def _meets(start: datetime, end: datetime, other: tuple[datetime, datetime]) -> bool:
    return start < other[1] and other[0] < end


def _written(sessions: list[Drawn]) -> str:
    zone = ZoneInfo("America/Chicago")
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number, one in enumerate(sessions, start=1):
        writer.writerow(
            {
                "reference": one.reference or f"invented-{number:03}",
                "site": one.place.site,
                "station": one.station,
                "timezone": zone.key,
                "started_at": one.start.astimezone(zone).isoformat(),
                "ended_at": one.end.astimezone(zone).isoformat(),
                "energy_wh": one.energy_wh,
                "user": one.driver,
                "power_w_max": one.place.power_w_max,
            }
        )
    for reference, wrong in REFUSED:
        writer.writerow(
            {
                "reference": f"invented-{reference}",
                "site": MARKET.site,
                "station": _station(MARKET, 1),
                "timezone": zone.key,
                "started_at": "2025-12-08T10:00:00-06:00",
                "ended_at": "2025-12-08T10:45:00-06:00",
                "energy_wh": 18_400,
                "user": _driver(1),
                "power_w_max": MARKET.power_w_max,
            }
            | wrong
        )
    return text.getvalue()


if __name__ == "__main__":
    TARGET.write_text(sample(), encoding="utf-8")
