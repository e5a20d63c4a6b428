"""Hours of the local day, as campaigns state them: the part that the off-peak rules share."""

from __future__ import annotations

from datetime import time
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from nerava.rewards.local_time import WeeklyWindow
from nerava.rewards.rules.base import Rule

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession

EVERY_DAY: Final = (1, 2, 3, 4, 5, 6, 7)
_DAY_NAMES: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _whole_minutes(wall: time) -> time:
    if wall.tzinfo is not None or wall.second or wall.microsecond:
        message = "a wall time has no zone and no seconds: it is read in the zone of each location"
        raise ValueError(message)
    return wall


def _hours_and_minutes(wall: time) -> str:
    return wall.isoformat("minutes")


WallTime = Annotated[time, AfterValidator(_whole_minutes), PlainSerializer(_hours_and_minutes)]
"""A local time of day in whole minutes, for example `22:00`."""


class WindowedRule(Rule):
    """A rule about the energy delivered between two local times of day.

    The window may cross midnight and then belongs to the weekday on which it opens (ISO, 1 is
    Monday); from and until equal means all day. It is read in the location's time zone, with the
    clock changes as they were. Energy is prorated by time where no meter values split it.
    """

    from_time: WallTime
    until_time: WallTime
    weekdays: tuple[Annotated[int, Field(ge=1, le=7)], ...] = EVERY_DAY

    @model_validator(mode="after")
    def _days_are_distinct(self) -> Self:
        if not self.weekdays or len(set(self.weekdays)) != len(self.weekdays):
            message = "a window needs at least one weekday, each at most once"
            raise ValueError(message)
        return self

    @cached_property
    def window(self) -> WeeklyWindow:
        """The window as arithmetic."""
        return WeeklyWindow(_minute(self.from_time), _minute(self.until_time), frozenset(self.weekdays))

    @cached_property
    def window_text(self) -> str:
        """The window as people read it."""
        hours = f"{_hours_and_minutes(self.from_time)}-{_hours_and_minutes(self.until_time)}"
        if len(self.weekdays) == len(EVERY_DAY):
            return hours
        return f"{hours} {' '.join(_DAY_NAMES[day - 1] for day in sorted(self.weekdays))}"

    def energy_wh_inside(self, session: EvidencedSession) -> int:
        """Return the watt-hours delivered inside the window, prorated by time and rounded down."""
        duration_us = session.duration_us
        if duration_us == 0:
            return 0
        covered_us = self.window.covered_us(session.started_at, session.ended_at, session.timezone)
        return session.energy_wh * covered_us // duration_us


def _minute(wall: time) -> int:
    return wall.hour * 60 + wall.minute
