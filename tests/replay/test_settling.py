"""Recorded sessions take place elsewhere: same hour, same weekday, same energy, and the last ended of late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from nerava.charging.recordings import RecordedSession
from nerava.kernel.ids import fact_id
from nerava.replay.run import Sorted
from nerava.replay.settling import Ground, settled

PACIFIC, HELSINKI = ZoneInfo("America/Los_Angeles"), ZoneInfo("Europe/Helsinki")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GROUNDS = [Ground(name, fact_id(name), "Europe/Helsinki") for name in ("osm:n1", "osm:n2", "demo:n3")]


def recorded(number: int, station: str = "A") -> RecordedSession:
    started_at = datetime(2019, 5, 1, 8, 30, tzinfo=PACIFIC) + timedelta(days=number)
    return RecordedSession(
        number,
        f"r{number}",
        "caltech",
        station,
        started_at.astimezone(UTC),
        started_at.astimezone(UTC) + timedelta(hours=7),
        9_500,
        "America/Los_Angeles",
        None,
        None,
    )


def test_the_wall_clock_and_the_weekday_stay_and_the_end_is_no_later_than_yesterday() -> None:
    before = Sorted([recorded(number) for number in range(40)], [])
    after = settled(before, GROUNDS, NOW)
    for old, new in zip(before.sessions, after.sessions, strict=True):
        was, now_is = old.started_at.astimezone(PACIFIC), new.started_at.astimezone(HELSINKI)
        assert (was.weekday(), was.time()) == (now_is.weekday(), now_is.time())
        assert new.ended_at - new.started_at == old.ended_at - old.started_at
        assert (new.reference, new.energy_wh, new.timezone) == (old.reference, 9_500, "Europe/Helsinki")
    last = max(one.ended_at for one in after.sessions).astimezone(HELSINKI).date()
    assert timedelta() <= NOW.date() - timedelta(days=1) - last < timedelta(weeks=1)


def test_a_station_goes_to_one_place_whatever_comes_with_it() -> None:
    stations = [recorded(number, f"S{number % 20}") for number in range(60)]
    places: dict[str, set[str]] = {}
    for one in settled(Sorted(stations, []), GROUNDS, NOW).sessions:
        places.setdefault(one.station, set()).add(one.site)
    assert all(len(found) == 1 for found in places.values())
    assert {next(iter(found)) for found in places.values()} == {one.name for one in GROUNDS}
    alone = settled(Sorted([recorded(3, "S3")], []), GROUNDS[::-1], NOW).sessions[0]
    assert {alone.site} == places["S3"]


def test_without_a_place_to_go_to_a_recording_stays_as_it_is() -> None:
    before = Sorted([recorded(1)], [])
    assert settled(before, [], NOW) is before
