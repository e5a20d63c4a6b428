"""Imports a made-up country into the database at an address, in a process of its own, and measures it."""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nerava.discovery.feeds import WHOLE_WORLD, Attribution, Batch
from nerava.discovery.importing import run_import
from nerava.discovery.records import (
    Access,
    Address,
    Category,
    PlaceRecord,
    Plug,
    PlugKind,
    Record,
    SiteRecord,
    SiteStatus,
)
from nerava.kernel.clock import SystemClock
from nerava.kernel.geography import Box, Point
from nerava.platform.db import Database

NETWORKS = ("ChargePoint", "EVgo", "Tesla", "Blink")
CATEGORIES = tuple(Category)
TOWNS = [(random.Random(n).uniform(26, 48), random.Random(-n).uniform(-122, -70)) for n in range(2_000)]


@dataclass
class Country:
    """So many rows, made one by one."""

    source: str
    total: int
    make: Callable[[int], Record]
    fingerprint: str = "1"
    coverage: Box | None = WHOLE_WORLD
    absences_max: int = 1
    attribution: Attribution = Attribution("made up", "", "none")  # noqa: RUF009 - frozen

    def batches(self, resume_at: str | None) -> Iterator[Batch]:
        for at in range(int(resume_at or 0), self.total, 1_000):
            end = min(at + 1_000, self.total)
            yield Batch([self.make(number) for number in range(at, end)], str(end))


def somewhere(number: int) -> Point:
    """A point near one of the towns, more often near a large one."""
    chance = random.Random(number)
    latitude, longitude = TOWNS[int(len(TOWNS) * chance.random() ** 2)]
    return Point(latitude + chance.gauss(0, 0.05), longitude + chance.gauss(0, 0.05))


def site(number: int) -> SiteRecord:
    fast = Plug(kind=PlugKind.IEC_62196_T1_COMBO, power_w_max=150_000)
    return SiteRecord(
        reference=str(number),
        name=f"Station {number}",
        position=somewhere(number),
        network=NETWORKS[number % len(NETWORKS)],
        access=Access.PUBLIC,
        status=SiteStatus.OPEN,
        address=Address(street="Main Street", house=str(number), city="Town", country="US"),
        plugs=(Plug(kind=PlugKind.IEC_62196_T1, count=2, power_w_max=7_200), fast),
    )


def place(number: int) -> PlaceRecord:
    return PlaceRecord(
        reference=f"n{number}",
        name=f"Place {number}",
        category=CATEGORIES[number % len(CATEGORIES)],
        position=somewhere(number + 1_000_000),
        opening_hours="Mo-Fr 10:00-18:00",
        website=f"https://example.org/{number}",
        address=Address(street="Main Street", house=str(number % 900)),
    )


def main(url: str) -> None:
    """Import places, chargers, and the tenth of the chargers that another source has, too."""
    database = Database(url)
    for feed in (Country("osm", 215_000, place), Country("nlr", 80_000, site), Country("ocm", 8_000, site)):
        started = time.perf_counter()
        report = run_import(database, feed, now=SystemClock().now)
        measured = {
            "feed": feed.source,
            "seconds": round(time.perf_counter() - started, 1),
            "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024,
            **report.counts,
        }
        sys.stdout.write(json.dumps(measured) + "\n")
        sys.stdout.flush()
    database.close()


if __name__ == "__main__":
    main(sys.argv[1])
