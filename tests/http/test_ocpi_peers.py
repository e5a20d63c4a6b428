"""Who may tell us what by OCPI: registered peers about their own, in OCPI's words whatever they send."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from nerava.app import reviewed_policies
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.roaming.model import RoamingCredential
from tests.contracts.recorded import recorded
from tests.helpers.databases import DatabaseUrl
from tests.helpers.ocpi_operator import running_operator
from tests.http.conftest import opened_house
from tests.http.roaming import Network, invitation, opened_network

CLOSED = sorted(
    name for name, one in tomllib.loads(reviewed_policies()).items() if one.get("credential") == "ocpi"
)
NAMES = {
    "version": "2.2.1",
    "country_code": "NL",
    "party_id": "EXA",
    "object_id": "o1",
    "evse_uid": "e1",
    "connector_id": "c1",
    "cdr_id": str(new_id()),
    "token_uid": "t1",
}


@pytest.fixture(scope="module")
def network(
    database_url_of_module: DatabaseUrl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Network]:
    """One network for all of it."""
    with (
        database_url_of_module("sqlite") as url,
        opened_network(url, tmp_path_factory.mktemp("network"), version="2.3.0") as opened,
    ):
        yield opened


def test_every_address_is_closed_to_everybody_but_registered_peers(network: Network) -> None:
    people = [network.house.caller(role) for role in (Role.DRIVER, Role.PARTNER, Role.OPS_ADMIN)]
    invited = invitation(network.house)["invitation"]
    assert len(CLOSED) > 20
    for operation in CLOSED:
        method, path = operation.split(" ")
        path = path.format(**NAMES)
        headers: list[dict[str, str]] = [
            {},
            {"Authorization": "Token bm90aGluZw=="},
            *(one.headers() for one in people),
        ]
        if "credentials" not in path and path not in {"/ocpi/versions", "/ocpi/2.2.1"}:
            headers.append({"Authorization": f"Token {invited}"})
        for given in headers:
            answer = network.house.client.request(method, path, headers=given)
            assert (answer.status_code, answer.json()["status_code"]) == (401, 2000), operation


def test_a_peer_reaches_nothing_of_another_peer(network: Network) -> None:
    mine = network.operator
    assert mine.put("locations", network.location(id="OWN")).status_code == 201
    cdr = mine.cdr(network.record(id="OWN")).headers["location"]
    made = invitation(network.house)
    with running_operator(network.house.client, made["invitation"], party="OTH") as other:
        assert other.register().json()["status_code"] == 1000
        theirs = other.at("locations", "NL", "EXA", "OWN")
        for method, body in (
            ("GET", None),
            ("PUT", network.location(id="OWN")),
            ("PATCH", {"last_updated": "2026-11-21T00:00:00Z"}),
        ):
            assert other.call(method, theirs, body).status_code == 404, method
        assert other.call("GET", "/ocpi/2.2.1/cdrs/" + cdr.rpartition("/")[2]).status_code == 404
        assert other.cdr(network.record(id="STOLEN")).json()["status_code"] == 2001
        own = network.location(country_code="NL", party_id="OTH", id="OWN")
        assert other.put("locations", own).status_code == 201
        disguised = other.call("PUT", other.at("locations", "NL", "OTH", "X"), network.location(id="X"))
        assert disguised.json()["status_code"] == 2001
        said = other.call(
            "GET", "/ocpi/versions", **{"OCPI-from-country-code": "NL", "OCPI-from-party-id": "EXA"}
        )
        assert said.json()["status_code"] == 2001
    assert (
        mine.call("GET", mine.at("locations", "NL", "EXA", "OWN")).json()["data"]["name"] == "Market Street"
    )


def test_a_party_has_one_peer_and_an_invitation_is_good_once(network: Network) -> None:
    made = invitation(network.house)
    with running_operator(network.house.client, made["invitation"]) as twin:
        assert twin.register().json()["status_code"] == 2001
    limited = invitation(network.house, parties=["NL-AAA"])
    with running_operator(network.house.client, limited["invitation"], party="BBB") as other:
        assert other.register().json()["status_code"] == 2001
        other.party = "AAA"
        before = other.token_out
        assert other.register().json()["status_code"] == 1000
        other.token_out, registered = before, other.token_out
        assert other.call("GET", "/ocpi/versions").status_code == 401
        other.token_out = registered
        # Registered: POST is over, PUT rotates, DELETE ends.
        at = other.endpoints["credentials", "RECEIVER"]
        assert other.call("POST", at, other.credentials()).status_code == 405
        rotated = other.call("PUT", at, other.credentials())
        assert rotated.json()["status_code"] == 1000
        assert other.call("GET", at).status_code == 401
        other.token_out = rotated.json()["data"]["token"]
        assert other.call("GET", at).json()["data"]["token"] == other.token_out
        assert other.call("DELETE", at).json()["status_code"] == 1000
        assert other.call("GET", "/ocpi/versions").status_code == 401


def test_a_peer_that_cannot_be_asked_is_told_why(network: Network) -> None:
    made = invitation(network.house)
    with running_operator(network.house.client, made["invitation"], party="CCC") as other:
        other.down = True
        assert other.register().json()["status_code"] == 3001
        other.down, other.version = False, "2.3.0"
        answer = other.call("POST", "/ocpi/2.2.1/credentials", other.credentials())
        assert answer.json()["status_code"] == 3002
        outside = other.credentials() | {"url": "http://169.254.169.254/versions"}
        assert other.call("POST", "/ocpi/2.3.0/credentials", outside).json()["status_code"] == 3001
        assert other.register().json()["status_code"] == 1000


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"a":NaN}',
        b"[" * 40 + b"]" * 40,
        b'{"id":"\\u0000"}',
        b'{"id":"\\ud800"}',
        b'{"a":1e999999}',
    ],
)
def test_what_is_no_json_is_refused_by_http_and_in_an_envelope(network: Network, body: bytes) -> None:
    answer = network.operator.call("PUT", network.operator.at("locations", "NL", "EXA", "X"), body)
    assert (answer.status_code, answer.json()["status_code"]) == (400, 2001)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"7", b"{}", b'{"country_code":7}'])
def test_what_is_json_but_no_such_object_is_2001_and_nothing_else(network: Network, body: bytes) -> None:
    operator = network.operator
    places = [operator.at(module, "NL", "EXA", "X") for module in ("locations", "sessions", "tariffs")]
    calls = [("PUT", place) for place in places] + [("POST", operator.endpoints["cdrs", "RECEIVER"])]
    calls += [("PATCH", places[0]), ("PUT", places[0] + "/E1"), ("PUT", places[0] + "/E1/1")]
    for method, place in calls:
        answer = operator.call(method, place, body)
        assert (answer.status_code, answer.json()["status_code"]) == (200, 2001), (method, place)


def test_wrong_types_deep_inside_and_huge_bodies_are_refused(network: Network) -> None:
    operator = network.operator
    for changes in (
        {"evses": "none"},
        {"evses": [{"uid": 7}]},
        {"coordinates": {"latitude": [], "longitude": "x"}},
        {"last_updated": "yesterday"},
        {"publish": "perhaps"},
        {"time_zone": {"a": 1}},
    ):
        answer = operator.put("locations", network.location(id="WRONG", **changes))
        assert (answer.status_code, answer.json()["status_code"]) == (200, 2001), changes
    huge = json.dumps(network.location(id="HUGE", directions=["x" * 1_000_001])).encode()
    answer = operator.call("PUT", operator.at("locations", "NL", "EXA", "HUGE"), huge)
    assert (answer.status_code, answer.json()["status_code"]) == (413, 2000)


def test_answers_carry_the_ids_of_their_requests_back(network: Network) -> None:
    answer = network.operator.call(
        "GET", "/ocpi/versions", **{"X-Request-ID": "r-1", "X-Correlation-ID": "c-1"}
    )
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == ("r-1", "c-1")
    assert {one["version"] for one in answer.json()["data"]} == {"2.2.1", "2.3.0"}
    assert answer.json()["timestamp"].endswith("Z")


def test_parts_of_a_location_change_and_nothing_older_wins(network: Network) -> None:
    operator = network.operator
    operator.put("locations", network.location(id="PARTS"))
    evse = operator.at("locations", "NL", "EXA", "PARTS", "3256")
    later = {"status": "CHARGING", "last_updated": "2026-11-03T00:00:00Z"}
    assert operator.call("PATCH", evse, later).json()["status_code"] == 1000
    assert (
        operator.call(
            "PATCH", evse, later | {"status": "BLOCKED", "last_updated": "2026-11-02T00:00:00Z"}
        ).json()["status_code"]
        == 1000
    )
    assert operator.call("GET", evse).json()["data"]["status"] == "CHARGING"
    connector = {
        "id": "2",
        "power_type": "DC",
        "max_electric_power": 150_000,
        "last_updated": "2026-11-04T00:00:00Z",
    }
    assert operator.call("PUT", f"{evse}/2", connector).status_code == 201
    assert operator.call("GET", f"{evse}/2").json()["data"] == connector
    operator.put("locations", network.location(id="PARTS"))
    assert operator.call("GET", evse).json()["data"]["status"] == "CHARGING", "the old whole is ignored"
    assert operator.call("PATCH", f"{evse}9", later).status_code == 404
    assert (
        operator.call(
            "PUT",
            operator.at("locations", "NL", "EXA", "NONE", "1"),
            {"uid": "1", "last_updated": "2026-11-04T00:00:00Z"},
        ).json()["status_code"]
        == 2003
    )


def test_tokens_are_listed_by_page_and_by_when_they_changed(network: Network) -> None:
    operator, driver = network.operator, network.house.driver()
    for _ in range(3):
        assert driver.post("/v1/me/charging-tokens").status_code == 201
    seen, url = [], operator.at("tokens") + "?limit=2"
    while url:
        answer = operator.call("GET", url)
        seen += [one["uid"] for one in answer.json()["data"]]
        link = answer.headers.get("link", "")
        url = "/ocpi/" + link.partition("/ocpi/")[2].partition(">")[0] if link else ""
    assert len(seen) == len(set(seen)) == int(answer.headers["x-total-count"]) >= 4
    assert answer.headers["x-limit"] == "100"
    assert (
        operator.call("GET", operator.at("tokens") + "?date_from=2030-01-01T00:00:00Z").json()["data"] == []
    )
    assert operator.call("GET", operator.at("tokens") + "?limit=minus").json()["status_code"] == 2001


def test_no_token_rests_in_the_clear(network: Network) -> None:
    database, token = network.house.installation.database, network.operator.token_out
    stored = database.read(lambda session: session.scalars(select(RoamingCredential.token_hash)).all())
    assert all(len(one) == 32 and token.encode() not in one for one in stored)
    ops = network.house.caller(Role.OPS_SUPPORT).get("/v1/ops/roaming/peers")
    assert ops.status_code == 200
    assert token not in ops.text
    assert network.operator.token_in not in ops.text
    assert "NL-EXA CPO" in ops.text


def test_an_installation_without_ocpi_says_so(
    database_url_of_module: DatabaseUrl, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        database_url_of_module("sqlite") as url,
        opened_house(url, tmp_path_factory.mktemp("silent")) as house,
    ):
        answer = house.client.get("/ocpi/versions", headers={"Authorization": "Token x"})
        assert (answer.status_code, answer.json()["status_code"]) == (503, 3000)


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("location_example.json", "locations"),
        ("session_example_1_simple_start.json", "sessions"),
        ("session_example_2_short_finished.json", "sessions"),
        ("tariff_put_example.json", "tariffs"),
        ("cdr_example.json", "cdrs"),
    ],
)
def test_the_examples_of_the_specification_come_back_as_they_were_sent(
    network: Network, file: str, module: str
) -> None:
    example = json.loads(recorded(f"ocpi/{file}"))
    made = invitation(network.house)
    party = {"country": example["country_code"], "party": example["party_id"], "version": "2.3.0"}
    with running_operator(network.house.client, made["invitation"], **party) as peer:
        answer = peer.register()
        assert answer.json()["status_code"] == 1000, answer.text
        if module == "cdrs":
            place = "/ocpi/" + peer.cdr(example).headers["location"].partition("/ocpi/")[2]
        else:
            assert peer.put(module, example).status_code == 201
            place = peer.at(module, peer.country, peer.party, example["id"])
        assert peer.call("GET", place).json()["data"] == example
        network.work(1)
        peer.call("DELETE", peer.endpoints["credentials", "RECEIVER"])
    assert "unreadable" not in network.outcomes(module).values()
    assert network.house.findings() == []
