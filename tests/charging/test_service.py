"""Sessions are taken in, started, closed and attested, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from nerava.charging import ingest as charging_ingest
from nerava.charging import queries, service
from nerava.charging.errors import (
    DriverAlreadyCharging,
    LocationInvalid,
    SessionInvalid,
    UnknownSession,
    WrongSessionState,
)
from nerava.charging.evidence import NewEvidence
from nerava.charging.ingest import NewConnector, NewLocation
from nerava.charging.queries import SessionView
from nerava.charging.service import SessionStart
from nerava.charging.states import SessionState
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from tests.rewards.house import START, House


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    opened = House(database)
    yield opened
    opened.close()


def view(house: House, session_id: Any) -> SessionView:
    return house.database.read(lambda session: queries.session_view(session, session_id))


def test_sessions_are_taken_in_once_with_their_evidence(house: House) -> None:
    sessions = [house.new_session(hour=2 * number, body={"row": number}) for number in range(3)]

    assert house.ingest(*sessions[:2]) == (2, 0)
    assert house.ingest(*sessions) == (1, 2)
    assert house.ingest(*sessions) == (0, 3)
    for number, one in enumerate(sessions):
        session_id = house.session_id(one.reference)
        stored = view(house, session_id)
        assert (stored.state, stored.started_at, stored.ended_at) == ("closed", one.started_at, one.ended_at)
        (evidence,) = house.database.read(lambda unit, key=session_id: queries.evidence_of(unit, key))
        assert (evidence.level, evidence.body, evidence.received_at) == (4, {"row": number}, house.now)


def test_the_same_session_twice_in_one_call_is_one_session(house: House) -> None:
    one = house.new_session()

    assert house.ingest(one, one) == (1, 1)


def test_what_is_known_already_stays_as_it_is(house: House) -> None:
    one = house.new_session()
    house.ingest(one)
    other = house.new_session(reference=one.reference, energy_wh=99, evidence_level=5)

    assert house.ingest(other) == (0, 1)
    stored = view(house, house.session_id(one.reference))
    assert (stored.energy_wh, stored.evidence_level) == (10_000, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"ended_at": START - timedelta(seconds=1)},
        {"energy_wh": -1},
        {"reference": ""},
        {"reference": "x" * 201},
        {"reference": "nul\0"},
        {"source": "x" * 81},
    ],
)
def test_a_session_that_cannot_be_is_refused_and_nothing_is_stored(
    house: House, changes: dict[str, Any]
) -> None:
    good, bad = house.new_session(hour=9), house.new_session(**changes)

    with pytest.raises(SessionInvalid):
        house.ingest(good, bad)
    assert house.ingest(good) == (1, 0)


def test_locations_and_connectors_are_known_by_their_names(house: House) -> None:
    again = house.place("here", name="another name")
    east, west = house.connector("east"), house.connector("west")

    assert again == house.location
    assert house.connector("east", power_w_max=1) == east != west
    new = [
        NewConnector(location_id=house.location, evse="east", reference="2"),
        NewConnector(location_id=house.location, evse="east"),
    ]
    known = house.database.run(lambda session: charging_ingest.register_connectors(session, new))
    assert known[house.location, "east", "1"] == east
    assert len(set(known.values())) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"timezone": "America/Nowhere"},
        {"latitude": 1.0},
        {"latitude": 91.0, "longitude": 0.0},
        {"latitude": 0.0, "longitude": -180.5},
    ],
)
def test_a_location_that_cannot_be_is_refused(house: House, changes: dict[str, Any]) -> None:
    new = NewLocation(**{"source": "s", "reference": "r", "name": "n", "timezone": "UTC"} | changes)

    with pytest.raises(LocationInvalid):
        house.database.run(lambda session: charging_ingest.register_locations(session, [new]))


def test_a_connector_must_deliver_something(house: House) -> None:
    new = NewConnector(location_id=house.location, evse="e", power_w_max=0)

    with pytest.raises(LocationInvalid):
        house.database.run(lambda session: charging_ingest.register_connectors(session, [new]))


def start(house: House, reference: str = "live-1", driver: str = "alice") -> Any:
    new = SessionStart(
        source="app",
        reference=reference,
        driver_id=house.driver(driver),
        location_id=house.location,
        connector_id=None,
        started_at=START,
        evidence_level=1,
    )
    return house.database.run(lambda session: service.start(session, new, house.now))


def close(house: House, session_id: Any, **changes: Any) -> None:
    values: dict[str, Any] = {"ended_at": START + timedelta(hours=1), "energy_wh": 9_000} | changes
    house.database.run(lambda session: service.close(session, session_id, **values))


def test_a_driver_has_one_open_session_at_a_time(house: House) -> None:
    first = start(house)

    assert start(house) == first
    with pytest.raises(DriverAlreadyCharging):
        start(house, "live-2")
    assert start(house, "live-3", driver="bob") != first
    close(house, first)
    assert start(house, "live-2") != first


def test_a_session_is_closed_once_and_then_decided_once(house: House) -> None:
    house.campaign()
    session_id = start(house)
    assert house.evaluate().evaluated == 0
    close(house, session_id)

    with pytest.raises(WrongSessionState):
        close(house, session_id)
    assert [house.evaluate().earned for _ in range(2)] == [1, 0]


def test_a_session_cannot_end_before_it_starts(house: House) -> None:
    session_id = start(house)

    for changes in ({"ended_at": START - timedelta(seconds=1)}, {"energy_wh": -1}):
        with pytest.raises(SessionInvalid):
            close(house, session_id, **changes)
    with pytest.raises(UnknownSession):
        close(house, new_id())
    assert view(house, session_id).state is SessionState.OPEN


def piece(house: House, session_id: Any, level: int, reference: str = "r", **measured: Any) -> NewEvidence:
    return NewEvidence(
        session_id=session_id,
        level=level,
        source="cpo",
        reference=reference,
        at=house.now,
        body={"level": level},
        **measured,
    )


def attest(house: House, *evidence: NewEvidence) -> int:
    return house.database.run(lambda session: service.attest(session, evidence, house.now))


def test_better_evidence_replaces_what_was_measured_and_is_decided_again(house: House) -> None:
    session_id = house.charged(evidence_level=2)
    house.evaluate()
    measured = {
        "energy_wh": 8_000,
        "started_at": START - timedelta(minutes=1),
        "ended_at": START + timedelta(hours=2),
    }

    assert attest(house, piece(house, session_id, 4, **measured)) == 1
    stored = view(house, session_id)
    assert (stored.state, stored.evidence_level, stored.energy_wh) == ("closed", 4, 8_000)
    assert (stored.started_at, stored.ended_at) == (measured["started_at"], measured["ended_at"])
    house.evaluate()
    assert (view(house, session_id).score, view(house, session_id).evaluations) == (95, 2)


def test_evidence_that_is_no_better_is_kept_and_changes_nothing(house: House) -> None:
    session_id = house.charged(evidence_level=3)
    house.evaluate()

    assert (
        attest(house, piece(house, session_id, 3, energy_wh=1), piece(house, session_id, 2, energy_wh=2)) == 0
    )
    stored = view(house, session_id)
    assert (stored.state, stored.evidence_level, stored.energy_wh) == ("verified", 3, 10_000)
    kept = house.database.read(lambda session: queries.evidence_of(session, session_id))
    assert sorted(one.level for one in kept) == [2, 3, 3]


def test_of_several_new_pieces_the_best_counts(house: House) -> None:
    session_id = house.charged(evidence_level=1)
    pieces = [piece(house, session_id, level, energy_wh=level * 1_000) for level in (2, 5, 4)]

    assert attest(house, *pieces) == 1
    assert (view(house, session_id).evidence_level, view(house, session_id).energy_wh) == (5, 5_000)


def test_evidence_for_an_open_session_leaves_it_open(house: House) -> None:
    session_id = start(house)

    assert attest(house, piece(house, session_id, 2, energy_wh=500, ended_at=START)) == 1
    stored = view(house, session_id)
    assert (stored.state, stored.ended_at, stored.evidence_level, stored.energy_wh) == ("open", None, 2, 500)


def test_evidence_that_cannot_be_is_refused(house: House) -> None:
    session_id = house.charged(evidence_level=1)

    with pytest.raises(UnknownSession):
        attest(house, piece(house, new_id(), 4))
    for measured in ({"energy_wh": -1}, {"ended_at": START - timedelta(days=1)}):
        with pytest.raises(SessionInvalid):
            attest(house, piece(house, session_id, 4, **measured))
    assert view(house, session_id).evidence_level == 1


def test_a_drivers_sessions_are_listed_latest_first(house: House) -> None:
    ids = [house.charged(hour=2 * number) for number in range(3)]

    def page(**choice: Any) -> list[SessionView]:
        return house.database.read(lambda unit: queries.sessions_of_driver(unit, house.driver(), **choice))

    listed = page()
    assert [one.id for one in listed] == ids[::-1]
    last = listed[0]
    assert page(before=(last.started_at, last.id), limit=1) == [listed[1]]
