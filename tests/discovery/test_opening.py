"""A place is open, closed or nobody knows; local hours, holidays and both clock changes included."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from nerava.discovery.opening import OpenState, opening_at
from nerava.kernel.geography import Point
from tests.discovery.feed import HELSINKI

OPEN, CLOSED, UNKNOWN = OpenState.OPEN, OpenState.CLOSED, OpenState.UNKNOWN


@pytest.mark.parametrize(
    ("hours", "local", "state", "until"),
    [
        ("Mo-Fr 10:00-18:00", "2026-11-23T09:59", CLOSED, "2026-11-23T10:00"),
        ("Mo-Fr 10:00-18:00", "2026-11-23T10:00", OPEN, "2026-11-23T18:00"),
        ("Mo-Fr 10:00-18:00", "2026-11-28T12:00", CLOSED, "2026-11-30T10:00"),
        ("Fr-Sa 20:00-04:00", "2026-11-29T03:59", OPEN, "2026-11-29T04:00"),
        ("Sa 22:00-05:00", "2026-10-25T03:30", OPEN, "2026-10-25T05:00"),
        ("24/7", "2026-11-23T03:00", OPEN, None),
        ("10:00-18:00; PH off", "2026-12-06T12:00", CLOSED, "2026-12-07T10:00"),
        ("sunrise-sunset", "2026-11-23T12:00", OPEN, "2026-11-23T15:35"),
        ("Jun-Aug 10:00-22:00", "2026-11-23T12:00", CLOSED, "2027-06-01T10:00"),
        ("off", "2026-11-23T12:00", CLOSED, None),
        ('Mo-Fr 10:00-18:00 "by appointment"', "2026-11-23T12:00", UNKNOWN, None),
        ("Mo-Fr 9-17", "2026-11-23T12:00", UNKNOWN, None),
        ("arkisin klo 9", "2026-11-23T12:00", UNKNOWN, None),
        ("SH off; Mo 10:00-18:00", "2026-11-23T12:00", UNKNOWN, None),
        (None, "2026-11-23T12:00", UNKNOWN, None),
    ],
)
@pytest.mark.trap("O6")
def test_hours_are_read_in_the_time_zone_of_the_place(
    hours: str | None, local: str, state: OpenState, until: str | None
) -> None:
    zone = ZoneInfo("Europe/Helsinki")
    at = datetime.fromisoformat(local).replace(tzinfo=zone)

    found = opening_at(hours, at, timezone="Europe/Helsinki", position=HELSINKI)

    told = None if found.until is None else f"{found.until.astimezone(zone):%Y-%m-%dT%H:%M}"
    assert (found.state, told) == (state, until)


def test_one_instant_is_another_hour_elsewhere() -> None:
    at = datetime(2026, 11, 23, 16, 30, tzinfo=ZoneInfo("UTC"))
    here = opening_at("10:00-18:00", at, timezone="Europe/Helsinki", position=HELSINKI)
    there = opening_at("10:00-18:00", at, timezone="America/Los_Angeles", position=Point(34.05, -118.24))
    assert (here.state, there.state) == (CLOSED, CLOSED)
    later = datetime(2026, 11, 23, 18, 30, tzinfo=ZoneInfo("UTC"))
    assert opening_at("10:00-18:00", later, timezone="America/Los_Angeles", position=HELSINKI).state is OPEN
