"""Every answer that is not a success is a problem document, wherever it comes from."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from nerava.platform.edge import Edge
from nerava.platform.problem import REFERENCE
from tests.http.flows import sponsor, terms

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from tests.http.conftest import House


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is the problem that it should be, and return the document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["type"] == f"urn:nerava:problem:{code}"
    assert body["status"] == status
    assert body["title"]
    assert re.fullmatch("[0-9a-f]{32}", body["trace_id"])
    assert body["trace_id"] != "0" * 32
    # A refusal that was kept under a key names the request that was refused, and not its repetition.
    assert "idempotency-replayed" in answer.headers or body["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return body


def test_an_unknown_address_is_not_found(sqlite_house: House) -> None:
    for path in ("/nothing", "/v1", "/v1/wallet/", "/V1/wallet", "/docs", "/redoc", "/v1/wallet/%00"):
        assert_problem(sqlite_house.client.get(path), 404, "not-found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "HEAD", "BREW"])
def test_a_wrong_method_says_which_ones_there_are(sqlite_house: House, method: str) -> None:
    answer = sqlite_house.client.request(method, "/v1/wallet")
    if method != "HEAD":
        assert_problem(answer, 405, "method-not-allowed")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"


def test_a_refusal_that_comes_by_the_thousand_is_one_line_in_the_log(
    sqlite_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    problem = assert_problem(sqlite_house.driver().post("/v1/me/passes/apple"), 503, "passes-off")
    [record] = [one for one in caplog.records if problem["trace_id"] in one.getMessage()]
    assert record.getMessage().startswith("passes-off, trace id")
    assert record.exc_info is None


def test_nobody_is_told_to_sign_in(sqlite_house: House) -> None:
    answer = sqlite_house.client.get("/v1/wallet")
    assert_problem(answer, 401, "not-signed-in")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer  ", "bearer-token", "Token x"])
def test_another_scheme_is_no_sign_in(sqlite_house: House, header: str) -> None:
    answer = sqlite_house.client.get("/v1/wallet", headers={"Authorization": header})
    assert "the scheme Bearer" in assert_problem(answer, 401, "not-signed-in")["detail"]


def test_a_forged_token_is_refused(sqlite_house: House) -> None:
    answer = sqlite_house.client.get("/v1/wallet", headers={"Authorization": "Bearer e30.e30.e30"})
    assert_problem(answer, 401, "invalid-token")


def test_wrong_input_names_the_place_and_not_the_value(sqlite_house: House) -> None:
    answer = sqlite_house.driver().get("/v1/wallet/statement", params={"limit": "secret-4711"})
    body = assert_problem(answer, 422, "invalid-input")
    assert body["errors"][0]["pointer"] == "query/limit"
    assert body["errors"][0]["kind"] == "int_parsing"
    assert "4711" not in answer.text


def test_a_field_that_nobody_asked_for_is_named_unless_its_name_tells_something(sqlite_house: House) -> None:
    token = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfG"  # noqa: S105 - nobody has it
    odd = ("eve@example.org", "+12025550187", "JHGCM82633A004352", "30.267153", token, "a b")
    body = {"refresh_token": "x", "role": 1} | dict.fromkeys(odd, 1)
    answer = sqlite_house.client.post("/v1/auth/refresh", json=body)
    errors = assert_problem(answer, 422, "invalid-input")["errors"]
    pointers = [one["pointer"] for one in errors if one["kind"] == "extra_forbidden"]
    assert pointers == ["body/role", *["body/[removed]"] * len(odd)]


@pytest.mark.parametrize(
    ("query", "kind"),
    [("limit=1&limit=2", "repeated"), ("limit=1&limit=1", "repeated"), ("limt=1", "unknown")],
)
def test_a_query_that_can_be_read_in_two_ways_or_by_nobody_is_refused(
    sqlite_house: House, query: str, kind: str
) -> None:
    answer = sqlite_house.driver().get(f"/v1/wallet/statement?{query}")
    assert [one["kind"] for one in assert_problem(answer, 422, "invalid-input")["errors"]] == [kind]


@pytest.mark.parametrize("at", ["1793491200", "1793491200000", 1793491200, 20261101.0])
def test_a_number_is_no_instant(sqlite_house: House, at: object) -> None:
    owner = sponsor(sqlite_house)
    answer = owner.post("/v1/campaigns", terms(starts_at=at))
    assert "2026-03-01T12:00:00Z" in assert_problem(answer, 422, "invalid-input")["detail"]


@pytest.mark.parametrize(
    "cursor", ["x", "WzFd0", "WyJhIl0", "WzEsMl0", "WzEuNV0", "Wy0xXQ", "W3RydWVd", "W1s", "!"]
)
def test_a_cursor_of_another_list_is_refused(sqlite_house: House, cursor: str) -> None:
    answer = sqlite_house.driver().get("/v1/wallet/statement", params={"cursor": cursor})
    assert_problem(answer, 422, "invalid-input")


def test_the_trace_of_the_caller_is_kept_and_a_malformed_one_replaced(sqlite_house: House) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    for sent, kept in [
        (f"00-{trace}-00f067aa0ba902b7-01", True),
        (f"00-{trace.upper()}-00f067aa0ba902b7-01", False),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", False),
        ("nonsense", False),
    ]:
        body = assert_problem(
            sqlite_house.client.get("/nothing", headers={"traceparent": sent}), 404, "not-found"
        )
        assert (body["trace_id"] == trace) is kept


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/v1/wallet", "/openapi.json", "/"])
def test_every_answer_names_its_request_and_no_two_are_named_alike(sqlite_house: House, path: str) -> None:
    told = [sqlite_house.client.get(path).headers.get_list("x-request-id") for _ in range(3)]
    assert all(len(one) == 1 and re.fullmatch("[0-9a-f]{32}", one[0]) for one in told)
    assert len({one[0] for one in told}) == 3


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("4bf92f3577b34da6a3ce929d0e0e4736", True),
        ("01A2098E-89b2-75a7-999c-fb169cfa7780", True),
        ("01a2098e89b2-75a7-999c-fb169cfa7780", False),
        ("4bf92f3577b34da6a3ce929d0e0e47360", False),
        ("4bf92f3577b34da6a3ce929d0e0e473\n", False),
        ("ann@example.org", False),
        ("12025550187", False),
        ("", False),
    ],
)
def test_a_request_id_is_taken_over_if_it_is_one(sqlite_house: House, sent: str, kept: bool) -> None:
    answer = sqlite_house.client.get("/nothing", headers={"X-Request-Id": sent})
    body = assert_problem(answer, 404, "not-found")
    assert (body["request_id"] == sent) is kept


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/v1/wallet", "/openapi.json"])
def test_every_answer_is_dressed_against_browsers(sqlite_house: House, path: str) -> None:
    headers = sqlite_house.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


async def _fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
    message = "password=hunter2"
    raise RuntimeError(message)


async def _fail_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await _fail(scope, receive, send)


def through_the_edge(app: Any) -> list[Message]:
    """Send one request through the edge into an app and return what comes out."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    asyncio.run(Edge(app)(scope, receive, send))
    assert REFERENCE in scope
    return sent


def test_a_mistake_of_ours_is_a_500_without_a_word_of_it(caplog: pytest.LogCaptureFixture) -> None:
    start, body = through_the_edge(_fail)
    assert start["status"] == 500
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert b'"code": "unexpected"' in body["body"]
    assert b'"outcome": "unknown"' in body["body"]
    assert b"hunter2" not in body["body"]
    assert "unexpected error" in caplog.text


def test_an_answer_that_has_begun_is_cut_rather_than_mixed_with_another() -> None:
    with pytest.raises(RuntimeError):
        through_the_edge(_fail_late)


def test_more_at_once_than_the_process_takes_on_is_refused_at_once() -> None:
    async def crowd() -> list[int]:
        inside, leave = asyncio.Event(), asyncio.Event()

        async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
            inside.set()
            await leave.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        edge = Edge(slow, requests_max=1)
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        def request() -> Any:
            return edge({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)

        first = asyncio.create_task(request())
        await inside.wait()
        await request()
        leave.set()
        await first
        await request()  # There is room again.
        assert b'"not_executed"' in sent[1]["body"]
        assert (b"retry-after", b"1") in sent[0]["headers"]
        return [message["status"] for message in sent if message["type"] == "http.response.start"]

    assert asyncio.run(crowd()) == [503, 200, 200]
