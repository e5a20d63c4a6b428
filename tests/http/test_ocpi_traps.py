"""The traps of OCPI, sprung by an operator that was written from the specification."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from nerava.integrations.ocpi.connection import Roaming
from nerava.kernel.outcomes import Ok
from nerava.roaming import peers, pulls, tokens
from nerava.roaming.model import RoamingPeer
from tests.helpers.databases import DatabaseUrl
from tests.helpers.ocpi_operator import running_operator
from tests.http.roaming import Network, opened_network


@pytest.fixture(scope="module")
def network(
    database_url_of_module: DatabaseUrl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Network]:
    """One network for all traps; each takes a day of its own."""
    with (
        database_url_of_module("sqlite") as url,
        opened_network(url, tmp_path_factory.mktemp("network")) as opened,
    ):
        assert opened.operator.put("locations", opened.location()).status_code == 201
        opened.work(2)
        yield opened


def on(day: int, **changes: Any) -> dict[str, Any]:
    """Return when an hour of charging was, and under which ids."""
    return {
        "id": f"d{day}",
        "start_date_time": f"2026-11-{day:02}T08:00:00Z",
        "end_date_time": f"2026-11-{day:02}T09:00:00Z",
        "last_updated": f"2026-11-{day:02}T09:05:00Z",
    } | changes


def recorded(network: Network, day: int, **changes: Any) -> str | None:
    """Send a record of a day and return what followed from it."""
    body = network.record(**on(day, session_id=f"d{day}") | changes)
    answer = network.operator.cdr(body)
    assert (answer.status_code, answer.json()["status_code"]) == (201, 1000), answer.text
    network.work(2)
    return network.outcomes("cdrs")[body["id"].lower()]


def session_on(network: Network, day: int) -> dict[str, Any]:
    """Return the driver's session of a day."""
    [found] = [one for one in network.sessions() if one["started_at"].startswith(f"2026-11-{day:02}")]
    return found


def roaming_of(network: Network) -> Roaming:
    """Return the house's side of OCPI."""
    found = network.house.installation.roaming
    assert found is not None
    return found


@pytest.mark.trap("C1")
def test_a_token_may_end_with_a_line_feed_and_need_not_be_encoded(network: Network) -> None:
    token = network.operator.token_out
    forms = (
        token,
        base64.b64encode(token.encode()).decode(),
        base64.b64encode(f"{token}\n".encode()).decode(),
    )
    for form in forms:
        answer = network.house.client.get("/ocpi/versions", headers={"Authorization": f"Token {form}"})
        assert answer.json()["status_code"] == 1000, form
    database = network.house.installation.database

    def encoded_only(session: Any) -> None:
        session.get(RoamingPeer, network.peer_id).takes_plain = False
        session.flush()

    database.run(encoded_only)
    plain = network.house.client.get("/ocpi/versions", headers={"Authorization": f"Token {token}"})
    assert (plain.status_code, network.operator.call("GET", "/ocpi/versions").status_code) == (401, 200)


@pytest.mark.trap("C2")
def test_an_answer_of_200_with_a_code_of_2000_is_a_failure(network: Network) -> None:
    operator, database = network.operator, network.house.installation.database
    operator.code = 2000
    operator.lists["locations"] = [network.location(id="never-believed")]
    database.run(lambda session: pulls.ask_now(session, network.peer_id, network.clock.now()))
    network.work(2)
    failures = database.read(
        lambda session: {one.module: one.failure for one in pulls.pulls_of(session, network.peer_id)}
    )
    operator.code = 1000
    assert failures == {"locations": "2000", "sessions": "2000", "cdrs": "2000"}
    assert "never-believed" not in network.outcomes("locations")


@pytest.mark.trap("C3")
@pytest.mark.trap("C5")
def test_a_part_needs_an_instant_and_something_to_belong_to(network: Network) -> None:
    operator = network.operator
    undated = operator.patch("sessions", "none", {"kwh": 1})
    assert (undated.status_code, undated.json()["status_code"]) == (200, 2001)
    unknown = operator.patch("sessions", "none", {"kwh": 1, "last_updated": "2026-11-20T08:00:00Z"})
    assert (unknown.status_code, unknown.json()["status_code"]) == (404, 2000)


@pytest.mark.trap("C4")
def test_periods_are_appended_once_by_a_part_and_replaced_by_the_whole(network: Network) -> None:
    operator = network.operator
    first = {"start_date_time": "2026-11-02T08:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 1.5}]}
    second = first | {"start_date_time": "2026-11-02T08:30:00Z"}
    whole = network.session(**on(2, id="periods", status="PENDING", charging_periods=[first]))
    part = {"kwh": 3.0, "charging_periods": [second], "last_updated": "2026-11-02T10:00:00Z"}
    address = operator.at("sessions", "NL", "EXA", "PERIODS")
    operator.put("sessions", whole)
    for _ in range(2):
        assert operator.patch("sessions", "periods", part).json()["status_code"] == 1000
    # The same moment may bring something else as well, and what is older changes nothing.
    operator.patch(
        "sessions", "periods", {"charging_periods": [second], "last_updated": part["last_updated"]}
    )
    operator.patch("sessions", "periods", {"kwh": 9, "last_updated": "2026-11-02T09:00:00Z"})
    shown = operator.call("GET", address).json()["data"]
    assert (shown["charging_periods"], shown["kwh"]) == ([first, second], 3.0)

    del whole["charging_periods"]
    assert operator.put("sessions", whole).json()["status_code"] == 1000
    assert operator.call("GET", address).json()["data"]["kwh"] == 3.0, "an older whole is ignored"
    operator.put("sessions", whole | {"last_updated": "2026-11-02T11:00:00Z"})
    assert "charging_periods" not in operator.call("GET", address).json()["data"]


@pytest.mark.trap("C8")
def test_a_record_may_come_first_or_name_no_session(network: Network) -> None:
    assert recorded(network, 3) == "settled"
    network.operator.put("sessions", network.session(**on(3)))
    network.work(2)
    assert session_on(network, 3)["evidence_level"] == 4

    network.operator.put("sessions", network.session(**on(4)))
    network.work(2)
    nameless = network.record(**on(4, id="nameless"))
    del nameless["session_id"]
    assert network.operator.cdr(nameless).status_code == 201
    network.work(2)
    assert session_on(network, 4)["evidence_level"] == 4


@pytest.mark.trap("C9")
def test_an_invalid_session_and_a_reservation_without_energy_earn_nothing(network: Network) -> None:
    before = network.nova()
    network.operator.put("sessions", network.session(**on(5, status="INVALID")))
    assert recorded(network, 5) == "void_session"
    assert recorded(network, 6, total_energy=0, charging_periods=[]) == "no_energy"
    network.operator.put("sessions", network.session(**on(7)))
    network.work(2)
    assert recorded(network, 7, total_energy=0, charging_periods=[]) == "settled"
    assert session_on(network, 7)["state"] == "rejected"
    assert network.nova() == before


@pytest.mark.trap("C10")
def test_watt_hours_are_recognised_and_what_does_not_add_up_settles_nothing(network: Network) -> None:
    hour = "2026-11-08T08:00:00Z"

    def energy(volume: float) -> list[dict[str, Any]]:
        return [{"start_date_time": hour, "dimensions": [{"type": "ENERGY", "volume": volume}]}]

    assert recorded(network, 8, charging_periods=energy(10_000)) == "settled"
    assert recorded(network, 9, total_energy=10_000, charging_periods=energy(10)) == "settled"
    assert [session_on(network, day)["energy_wh"] for day in (8, 9)] == [10_000, 10_000]
    before = network.nova()
    assert recorded(network, 10, total_energy=40, charging_periods=energy(10)) == "doubtful_energy"
    assert (session_on(network, 10)["evidence_level"], network.nova()) == (1, before)


@pytest.mark.trap("C11")
def test_exchanged_coordinates_do_not_move_a_place(network: Network) -> None:
    place = network.record()["cdr_location"]
    turned = place | {"coordinates": {"latitude": "-97.743100", "longitude": "30.267200"}}
    assert recorded(network, 11, cdr_location=turned) == "settled"
    elsewhere = place | {"coordinates": {"latitude": "52.370000", "longitude": "4.890000"}}
    assert recorded(network, 12, cdr_location=elsewhere) == "doubtful_place"
    outside = network.location(id="LOC-X", coordinates={"latitude": "151.2", "longitude": "-33.8"})
    network.operator.put("locations", outside)
    network.work(2)
    assert network.outcomes("locations")["loc-x"] == "doubtful_coordinates"


@pytest.mark.trap("C12")
def test_instants_and_names_that_mean_nothing_follow_from_the_others(network: Network) -> None:
    nowhere = network.record()["cdr_location"] | {"evse_uid": "#NA", "connector_id": "#NA"}
    assert recorded(network, 13, end_date_time="1970-01-01T00:00:00Z", cdr_location=nowhere) == "settled"
    assert session_on(network, 13)["ended_at"] == "2026-11-13T09:00:00Z"
    epoch = {"start_date_time": "1970-01-01T00:00:00Z", "end_date_time": "1970-01-01T00:00:00Z"}
    assert recorded(network, 14, id="epoch", **epoch) == "unusable_times"


@pytest.mark.trap("C13")
def test_energy_that_flows_back_earns_nothing(network: Network) -> None:
    dimensions = [{"type": "ENERGY", "volume": 6.0}, {"type": "ENERGY", "volume": -4.0}]
    periods = [{"start_date_time": "2026-11-14T08:00:00Z", "dimensions": dimensions}]
    assert recorded(network, 14, total_energy=2.0, charging_periods=periods) == "settled"
    assert session_on(network, 14)["energy_wh"] == 2_000
    assert recorded(network, 15, total_energy=-3.0, charging_periods=[]) == "no_energy"


@pytest.mark.trap("C14")
@pytest.mark.trap("C15")
def test_what_is_written_otherwise_is_kept_as_it_came(network: Network) -> None:
    told = network.session(
        **on(16, start_date_time="2026-11-16T08:00:00", end_date_time="2026-11-16T10:00:00+01:00"),
        auth_method="TELEPATHY",
        operators_own={"weather": "rain", "price": 8.50},
    )
    assert network.operator.put("sessions", told).status_code == 201
    answer = network.operator.call("GET", network.operator.at("sessions", "nl", "exa", "D16"))
    assert answer.json()["data"] == told
    assert '"price":8.5' in answer.text
    network.work(2)
    found = session_on(network, 16)
    assert (found["started_at"], found["ended_at"]) == ("2026-11-16T08:00:00Z", "2026-11-16T09:00:00Z")


@pytest.mark.trap("C16")
@pytest.mark.trap("C17")
def test_tokens_are_looked_up_by_kind_and_nothing_else_decides(network: Network) -> None:
    operator, uid = network.operator, network.token["uid"]
    place = {"location_id": "LOC1", "evse_uids": ["3256"]}
    database, now = network.house.installation.database, network.clock.now()
    sent = operator.call("POST", operator.at("tokens", uid, "authorize") + "?type=APP_USER", place)
    assert sent.json()["data"]["allowed"] == "ALLOWED"
    as_rfid = operator.call("POST", operator.at("tokens", uid, "authorize"), place)
    assert (as_rfid.status_code, as_rfid.json()["status_code"]) == (404, 2004)
    owner = network.driver.tenant_id
    tag = database.run(lambda session: tokens.issue(session, owner, now, kind="RFID", uid=uid.upper()).id)
    assert (
        operator.call("POST", operator.at("tokens", uid, "authorize")).json()["data"]["allowed"] == "ALLOWED"
    )
    roaming_of(network).needs_location = True
    silent = operator.call("POST", operator.at("tokens", uid, "authorize"))
    roaming_of(network).needs_location = False
    assert (silent.status_code, silent.json()["status_code"]) == (200, 2002)
    database.run(lambda session: tokens.block(session, owner, tag, now))
    assert (
        operator.call("POST", operator.at("tokens", uid, "authorize")).json()["data"]["allowed"] == "BLOCKED"
    )


@pytest.mark.trap("C18")
def test_a_reservation_has_two_names_and_opens_no_session(network: Network) -> None:
    for status in ("RESERVED", "RESERVATION"):
        told = network.session(**on(17, id=f"r-{status}", status=status, end_date_time=None))
        network.operator.put("sessions", told)
    network.work(2)
    outcomes = network.outcomes("sessions")
    assert [outcomes["r-reserved"], outcomes["r-reservation"]] == ["not_begun", "not_begun"]


@pytest.mark.trap("C19")
def test_we_register_with_a_peer_that_asks_for_our_versions_meanwhile(network: Network) -> None:
    database, now = network.house.installation.database, network.clock.now()
    peer_id, _ = database.run(lambda session: peers.invite(session, "Other", now=now))
    with running_operator(network.house.client, "", party="OTH", version="2.3.0") as other:
        invited = other.token_in
        outcome = roaming_of(network).handshake.connect(peer_id, f"{other.address}/versions", invited, now)
        assert outcome == Ok("2.3.0")
        assert other.during_post == (200, 200)
        assert other.put("locations", network.location(country_code="NL", party_id="OTH")).status_code == 201
        network.work(2)
        told = {path.partition("?")[0] for path, _ in other.tokens}
        assert f"/2.3.0/tokens/US/NRV/{network.token['uid']}" in told
    database.run(lambda session: peers.end(session, peer_id, now))


@pytest.mark.trap("C20")
def test_charging_at_home_is_no_public_session(network: Network) -> None:
    assert recorded(network, 18, id="home", home_charging_compensation=True) == "home_charging"
    network.operator.put("locations", network.location(id="HOME", publish=False))
    at_home = network.record()["cdr_location"] | {"id": "HOME"}
    assert recorded(network, 18, id="garage", session_id="garage", cdr_location=at_home) == "home_charging"


@pytest.mark.trap("C21")
def test_a_record_has_an_id_of_39_characters_and_an_address(network: Network) -> None:
    body = network.record(**on(18, id="R" * 39, session_id="S" * 36))
    first = network.operator.cdr(body)
    again = network.operator.cdr(body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["location"] == again.headers["location"]
    path = "/ocpi/" + first.headers["location"].partition("/ocpi/")[2]
    assert network.operator.call("GET", path).json()["data"] == body
    other = network.operator.cdr(body | {"total_energy": 99.0})
    assert (other.status_code, other.json()["status_code"]) == (200, 2001)
    assert network.operator.cdr(body | {"id": "R" * 40}).json()["status_code"] == 2001


@pytest.mark.trap("C22")
def test_time_parked_is_no_time_charging(network: Network) -> None:
    long = on(19, end_date_time="2026-11-19T14:00:00Z", last_updated="2026-11-19T14:05:00Z")
    assert recorded(network, 19, **long, total_time=6.0, total_parking_time=4.5) == "settled"
    assert session_on(network, 19)["ended_at"] == "2026-11-19T09:30:00Z"


def test_the_books_are_clean_after_all_of_it(network: Network) -> None:
    assert network.house.findings() == []
