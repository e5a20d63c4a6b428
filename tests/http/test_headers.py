"""Every answer carries its security headers, and other web sites get in by name or not at all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from starlette.responses import HTMLResponse
from starlette.testclient import TestClient

from nerava.app import create_app
from nerava.identity.roles import Role
from nerava.platform.cors import Cors, origins_of
from nerava.platform.edge import Edge
from nerava.platform.headers import REPORTS_PATH
from nerava.settings import ServerSettings, Settings
from tests.http.conftest import House

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = "https://app.nerava.example"
HOSTILE = [
    "null",
    "https://evil.example",
    "https://app.nerava.example.evil.example",
    "https://evil-app.nerava.example",
    "https://app.nerava.exampl",
    "http://app.nerava.example",
    "https://app.nerava.example:444",
    "https://app.nerava.example/",
    "https://APP.nerava.example",
    "https://app.nerava.example, https://evil.example",
    "",
]


def answers(house: House) -> Iterator[tuple[str, Any]]:
    """Yield answers of every kind by name."""
    client, driver = house.client, house.driver()
    yield "public", client.get("/livez")
    yield "own", driver.get("/v1/wallet")
    yield "document", client.get("/openapi.json")
    yield "not signed in", client.get("/v1/wallet")
    yield "wrong role", house.caller(Role.PARTNER).get("/v1/wallet")
    yield "not found", client.get("/nothing")
    yield "wrong method", client.post("/v1/wallet")
    yield "trace", client.request("TRACE", "/v1/wallet")
    yield "bad input", driver.get("/v1/wallet?x=1")
    yield (
        "bad body",
        client.post("/v1/auth/refresh", content=b"{", headers={"Content-Type": "application/json"}),
    )
    yield "wrong type", client.post("/v1/auth/refresh", content=b"x", headers={"Content-Type": "text/plain"})


def test_every_answer_carries_the_security_headers(sqlite_house: House) -> None:
    for name, answer in answers(sqlite_house):
        headers = answer.headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'", name
        assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains", name
        assert headers["x-content-type-options"] == "nosniff", name
        assert headers["referrer-policy"] == "no-referrer", name
        assert headers["cross-origin-opener-policy"] == "same-origin", name
        assert headers["cross-origin-resource-policy"] == "same-origin", name
        assert headers["cache-control"] == "no-store", name
        assert "camera=(self)" in headers["permissions-policy"], name
        assert "microphone=()" in headers["permissions-policy"], name
        assert not {"server", "x-powered-by", "access-control-allow-origin"} & set(headers), name
        assert "set-cookie" not in headers, name


def test_a_page_gets_the_policy_of_pages_and_may_be_stricter() -> None:
    async def page(scope: Any, receive: Any, send: Any) -> None:
        await HTMLResponse("<p>", headers={"Referrer-Policy": "no-referrer"})(scope, receive, send)

    headers = TestClient(Edge(page)).get("/").headers
    policy = headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["reporting-endpoints"] == f'csp="{REPORTS_PATH}"'
    assert headers.get_list("referrer-policy") == ["no-referrer"]


def house_open_to(house: House, *origins: str) -> TestClient:
    """Return a client of an application that these origins may call."""
    server = ServerSettings(cors_origins=",".join(origins) or None)
    settings = house.installation.settings.model_copy(update={"server": server})
    return TestClient(create_app(settings, house.installation), raise_server_exceptions=False)


def test_without_a_list_no_origin_is_told_anything(sqlite_house: House) -> None:
    client = house_open_to(sqlite_house)
    for origin in [APP, *HOSTILE]:
        for method in ("GET", "OPTIONS"):
            answer = client.request(method, "/v1/wallet", headers=asking(origin))
            assert not [name for name in answer.headers if name.startswith("access-control")], origin
            assert answer.status_code in {401, 405}


def asking(origin: str) -> dict[str, str]:
    """Return the headers of a browser that asks for an origin."""
    return {"Origin": origin, "Access-Control-Request-Method": "GET"}


@pytest.mark.parametrize("origin", HOSTILE)
def test_other_origins_are_told_nothing_also_on_errors(sqlite_house: House, origin: str) -> None:
    client = house_open_to(sqlite_house, APP)
    for method, path in (
        ("GET", "/v1/wallet"),
        ("OPTIONS", "/v1/wallet"),
        ("GET", "/v1/nothing"),
        ("PUT", "/v1/me"),
    ):
        answer = client.request(method, path, headers=asking(origin))
        assert answer.status_code >= 400
        assert not [name for name in answer.headers if name.startswith("access-control")], (method, path)
        assert answer.headers["vary"] == "Origin"


def test_a_named_origin_may_ask_and_read_without_credentials(sqlite_house: House) -> None:
    client = house_open_to(sqlite_house, APP, "http://localhost:5173")
    before = client.options("/v1/wallet", headers=asking(APP))
    assert (before.status_code, before.content) == (204, b"")
    assert before.headers["access-control-allow-origin"] == APP
    assert "Idempotency-Key" in before.headers["access-control-allow-headers"]
    assert before.headers["x-content-type-options"] == "nosniff"

    for path in ("/v1/wallet", "/v1/nothing"):
        answer = client.get(path, headers={"Origin": APP})
        assert answer.headers["access-control-allow-origin"] == APP
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-origin" not in client.get("/livez", headers={"Origin": APP}).headers
    two = [("Origin", APP), ("Origin", "https://evil.example")]
    assert "access-control-allow-origin" not in client.get("/v1/wallet", headers=two).headers


@pytest.mark.parametrize(
    "listed",
    [
        "*",
        "null",
        "https://*.nerava.example",
        "http://app.nerava.example",
        "https://a.example/x",
        "a.example",
    ],
)
def test_a_list_with_a_pattern_does_not_start(listed: str) -> None:
    with pytest.raises(ValidationError, match="exactly"):
        Settings(server=ServerSettings(cors_origins=f"{APP},{listed}"))


def test_a_list_is_read_with_its_blanks() -> None:
    assert origins_of(f" {APP} , https://b.example:8443,") == {APP, "https://b.example:8443"}
    assert origins_of(None) == frozenset()
    assert Cors().headers({"type": "http", "path": "/v1/x", "headers": []}) == []


def test_a_report_is_written_down_without_what_it_tells_about_people(
    sqlite_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    body = {
        "effectiveDirective": "script-src-elem",
        "blockedURL": "https://evil.example/steal?token=secret",
        "documentURL": "https://nerava.example/claim?code=secret",
    }
    kind = {"Content-Type": "application/reports+json"}
    with caplog.at_level(logging.WARNING):
        answer = sqlite_house.client.post(
            REPORTS_PATH, json=[{"type": "csp-violation", "body": body}], headers=kind
        )
    assert answer.status_code == 204
    assert "a page was kept from script-src-elem of https://evil.example" in caplog.messages
    assert "secret" not in caplog.text

    for odd in (b"", b"x", b"{}", b"[1]", b'[{"body": []}]', b'[{"body": {"blockedURL": 7}}]'):
        assert sqlite_house.client.post(REPORTS_PATH, content=odd, headers=kind).status_code == 204
    big = sqlite_house.client.post(REPORTS_PATH, content=b"[" + b" " * 20_000 + b"]", headers=kind)
    assert big.status_code == 413


def test_an_answer_of_the_last_resort_is_dressed_too() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError

    answer = TestClient(Edge(fails, cors=Cors([APP]))).get("/v1/x", headers={"Origin": APP})
    assert answer.status_code == 500
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["x-content-type-options"] == "nosniff"
