"""The simulated Apple and Google refuse what the real ones refuse, in their words."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from nerava.platform.outbound import CallPolicy, Outbound, Reply
from nerava.simulators.faults import Kind
from nerava.simulators.handle import Simulators
from nerava.simulators.http2 import PREFACE
from tests.passes.conftest import CLOCK

DATA_OF_NO_STREAM = b"\x00\x00\x01\x00\x00\x00\x00\x00\x00x"
CALL = CallPolicy("apns push", connect_s=1, read_s=5, total_s=6, attempts=1)


def test_apple_speaks_http_2_alone_and_says_what_is_wrong(world: Simulators) -> None:
    url, phone = world.url_of("apns"), world.apple.phone("ann")
    plain = httpx2.post(f"{url}/3/device/{phone.push_token}", content=b"{}")
    assert plain.status_code == 505
    assert httpx2.get(f"{url}/phones/nobody").status_code == 505
    assert "The wallet is empty" in httpx2.get(f"{url}/phones/ann").text
    apns = Outbound(url, now=CLOCK.now, http2=True)

    def reason(method: str, path: str, body: bytes = b"{}", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = apns.ask(method, path, CALL, headers=named, body=body)
        assert isinstance(answer, Reply)
        assert answer.headers["apns-id"]
        return answer.status, (answer.object() or {}).get("reason")

    device, topic = f"/3/device/{phone.push_token}", world.apple.pass_type
    assert reason("POST", device, apns_topic=topic) == (200, None)
    assert reason("POST", device) == (400, "MissingTopic")
    assert reason("POST", device, apns_topic="pass.other") == (400, "TopicDisallowed")
    assert reason("POST", device, b"", apns_topic=topic) == (400, "PayloadEmpty")
    assert reason("POST", device, b'{"aps":{}}', apns_topic=topic) == (400, "BadMessage")
    assert reason("PUT", device, apns_topic=topic) == (405, "MethodNotAllowed")
    assert reason("POST", "/3/device/zz", apns_topic=topic) == (404, "BadPath")
    told = world.state("apns")
    assert len(told["pushes"]) == 1
    # Calls one after the other and answers of any length go over the one connection.
    world.faults.add(Kind.HUGE, bytes=300_000, times=1)
    answer = apns.ask("POST", device, CALL, headers={"apns-topic": topic}, body=b"{}")
    assert isinstance(answer, Reply)
    assert len(answer.body) > 300_000
    apns.close()


def test_what_begins_like_http_2_and_is_none_is_hung_up_on(world: Simulators) -> None:
    parts = urlsplit(world.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as line:
        line.sendall(PREFACE + b"\r\nSM\r\n\r\n" + DATA_OF_NO_STREAM)
        while line.recv(4_096):
            pass


@pytest.fixture
def google(world: Simulators) -> str:
    """Where the API of Google is."""
    return world.url_of("gwallet")


def test_google_wants_a_token_for_a_signed_assertion(world: Simulators, google: str) -> None:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}
    assert httpx2.post(f"{google}/token", data=form).json() == {"error": "invalid_grant"}
    other = {**form, "grant_type": "password"}
    assert httpx2.post(f"{google}/token", data=other).json() == {"error": "unsupported_grant_type"}
    rows = f"{google}/walletobjects/v1/loyaltyObject"
    refused = httpx2.post(rows, headers={"authorization": "Bearer somebody"})
    assert (refused.status_code, refused.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_google_refuses_what_it_does_not_know(world: Simulators, google: str) -> None:
    world.google.let_in("ya29.test")
    client = httpx2.Client(
        base_url=f"{google}/walletobjects/v1", headers={"authorization": "Bearer ya29.test"}
    )
    own = world.google.issuer_id

    def status(method: str, path: str, body: object = None) -> int:
        return client.request(method, path, json=body).status_code

    assert status("POST", "/loyaltyClass", {"id": f"{own}.points"}) == 400
    assert status("POST", "/loyaltyClass", {"id": "1.points"}) == 403
    assert status("POST", "/loyaltyObject", {"id": f"{own}.a", "classId": f"{own}.points"}) == 404
    logo = {"sourceUri": {"uri": "https://nerava.example/logo.png"}}
    assert status("POST", "/loyaltyClass", {"id": f"{own}.points", "programLogo": logo}) == 200
    told = {"id": f"{own}.a", "classId": f"{own}.points", "state": "ACTIVE"}
    assert status("POST", "/loyaltyObject", told) == 200
    assert client.get(f"/loyaltyObject/{own}.a").json() == told
    assert status("GET", f"/loyaltyObject/{own}.b") == 404
    assert status("DELETE", f"/loyaltyObject/{own}.a") == 404
    assert status("GET", "/offerObject") == 404
    client.close()
