"""Everything is loaded state by state, goes on where it stopped, and is loaded again when something moved."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from nerava.discovery.feeds import WHOLE_WORLD
from nerava.discovery.records import SiteRecord
from nerava.integrations.nlr.feed import NlrFeed, StationsUnavailable, open_feed
from nerava.integrations.nlr.regions import REGIONS, Region
from nerava.integrations.nlr.stations_stream import PIECE, NotStations, stations_in
from nerava.kernel.outcomes import Ok
from tests.integrations.nlr.conftest import Desk

WEST = (Region("US", "CA"), Region("US", "NV"), Region("CA", "BC"))


def feed_of(desk: Desk, regions: tuple[Region, ...] = WEST) -> NlrFeed:
    opened = open_feed(desk.api, desk.clock.now(), regions)
    assert isinstance(opened, Ok), opened
    return opened.value


def known(desk: Desk, *states: str) -> set[str]:
    electric = desk.simulators.nlr.stations(fuel_type_code="ELEC")
    return {str(one["id"]) for one in electric if one["state"] in states}


def read(feed: NlrFeed, resume_at: str | None = None) -> set[str]:
    return {
        one.reference
        for batch in feed.batches(resume_at)
        for one in batch.records
        if isinstance(one, SiteRecord)
    }


@pytest.mark.trap("N4")
def test_every_list_names_its_state_and_its_limit(desk: Desk) -> None:
    assert read(feed_of(desk)) == known(desk, "CA", "NV", "BC")
    lists = [parse_qs(one.query) for one in desk.simulators.requests("nlr") if one.path.endswith("/v1.json")]
    assert [(one["country"], one["state"], one["limit"]) for one in lists] == [
        (["US"], ["CA"], ["all"]),
        (["US"], ["NV"], ["all"]),
        (["CA"], ["BC"], ["all"]),
    ]


def test_a_load_that_broke_off_goes_on_with_the_state_it_was_at(desk: Desk) -> None:
    feed = feed_of(desk)
    desk.simulators.faults.add("status", provider="nlr", path="*/v1.json", status=400, nth=2)
    batches = feed.batches(None)
    first = next(batches)
    with pytest.raises(StationsUnavailable, match="US-NV"):
        next(batches)
    again = feed_of(desk)
    assert again.fingerprint == feed.fingerprint
    assert read(again, first.position) == known(desk, "NV", "BC")


def test_a_state_of_many_batches_is_finished_only_with_its_last(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerava.integrations.nlr.feed.BATCH_MAX", len(known(desk, "NV")) - 1)
    batches = list(feed_of(desk, WEST[:2]).batches("US-CA"))
    assert [batch.position for batch in batches] == ["US-CA", "US-NV"]
    assert sum(len(batch.records) for batch in batches) == len(known(desk, "NV"))


@pytest.mark.trap("N14")
def test_there_is_something_to_load_when_the_date_moved_and_every_seven_days_all_the_same(desk: Desk) -> None:
    first = feed_of(desk).fingerprint
    assert feed_of(desk).fingerprint == first
    desk.simulators.nlr.add()
    moved = feed_of(desk).fingerprint
    assert moved != first
    desk.simulators.nlr.stand_still()
    desk.simulators.nlr.add()
    assert feed_of(desk).fingerprint == moved
    desk.wait(days=7)
    assert feed_of(desk).fingerprint != moved


@pytest.mark.trap("N15")
def test_only_a_load_of_everything_says_what_is_absent_and_only_the_second_one_counts(desk: Desk) -> None:
    assert feed_of(desk).coverage is None
    everything = feed_of(desk, REGIONS)
    assert (everything.coverage, everything.absences_max) == (WHOLE_WORLD, 2)
    assert len(REGIONS) == len(set(REGIONS)) == 65


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "wrong_type", "how": "login_page"},
        {"kind": "drift", "field": "fuel_stations", "how": "missing"},
        {"kind": "cut", "how": "length"},
    ],
    ids=lambda fault: "-".join(fault.values()),
)
def test_an_answer_that_is_no_list_ends_the_load_and_closes_nothing(
    desk: Desk, fault: dict[str, str]
) -> None:
    feed = feed_of(desk)
    desk.simulators.faults.add(provider="nlr", path="*/v1.json", **fault)
    with pytest.raises(StationsUnavailable):
        read(feed)


def test_a_long_list_is_read_piece_by_piece() -> None:
    stations = [{"id": number, "station_name": "Überlingen " * 9} for number in range(9_000)]
    text = json.dumps({"total_results": 9_000, "fuel_stations": stations, "after": [1]}, ensure_ascii=False)
    assert len(text) > 3 * PIECE
    assert [one["id"] for one in stations_in(io.BytesIO(text.encode()))] == list(range(9_000))


@pytest.mark.parametrize("text", ["{}", '{"fuel_stations": [', '{"fuel_stations": [{"id": 1}', "", "\xff"])
def test_a_list_without_an_end_is_none(text: str) -> None:
    with pytest.raises(NotStations):
        list(stations_in(io.BytesIO(text.encode("latin-1"))))


def test_the_next_night_is_another_fingerprint_when_anything_changed(desk: Desk) -> None:
    station = desk.simulators.nlr.stations(status_code="E", fuel_type_code="ELEC")[0]["id"]
    before = feed_of(desk).fingerprint
    desk.simulators.nlr.decline(station, breaks_after_s=60, gone_after_s=7_200)
    desk.simulators.advance(timedelta(minutes=2))
    assert feed_of(desk).fingerprint != before
