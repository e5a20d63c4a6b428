"""A call to another machine ends in time, is repeated only where that is safe, and says what it knows."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from nerava.platform.outbound import CallPolicy, Lost, NotSent, Outbound, Reply
from nerava.platform.outbound.tokens import FULL, HARD_RETRY_COSTS
from tests.helpers.other_side import answer, cut, drip, hang_up, other_side, stall

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
READ = CallPolicy("test read", connect_s=0.5, read_s=0.4, total_s=1.0)
STUBBORN = CallPolicy("test stubborn", connect_s=0.5, read_s=0.4, total_s=1.0, gives_way=False)
WRITE = CallPolicy("test write", connect_s=0.5, read_s=0.4, total_s=1.0, is_repeatable=False)


def caller(url: str, pauses: list[float] | None = None, **more: Any) -> Outbound:
    waited: list[float] = [] if pauses is None else pauses
    return Outbound(url, now=lambda: NOW, pause=waited.append, **more)


def test_a_success_is_asked_for_once() -> None:
    with other_side([answer(200, b'{"a": 1}')]) as side:
        result = caller(side.url + "/base/").ask("GET", "/x", READ, query=[("q", "a b")])
    assert isinstance(result, Reply)
    assert (result.status, result.object()) == (200, {"a": 1})
    assert side.requests[0].startswith(b"GET /base/x?q=a+b HTTP/1.1\r\n")
    assert len(side.requests) == 1


def test_two_errors_and_a_success_take_three_attempts() -> None:
    with other_side([answer(503), answer(502), answer(200)]) as side:
        result = caller(side.url).ask("GET", "/", READ)
    assert isinstance(result, Reply)
    assert (result.status, len(side.requests)) == (200, 3)


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 408, 409, 422, 425, 501])
def test_what_is_definite_is_asked_once(status: int) -> None:
    with other_side([answer(status, location="http://169.254.169.254/")]) as side:
        result = caller(side.url).ask("GET", "/", READ)
    assert isinstance(result, Reply)
    assert (result.status, len(side.requests)) == (status, 1)


@pytest.mark.parametrize(
    ("told", "attempts"),
    [
        ("0", 2),
        ("Sun, 01 Mar 2026 12:00:00 GMT", 2),
        ("7", 1),
        ("Sun, 01 Mar 2026 12:00:07 GMT", 1),
        ("soon", 1),
        ("-1", 1),
        ("9" * 400, 1),
    ],
)
def test_a_429_is_tried_again_when_its_retry_after_fits(told: str, attempts: int) -> None:
    with other_side([answer(429, retry_after=told), answer(200)]) as side:
        caller(side.url).ask("GET", "/", READ)
        assert len(side.requests) == attempts


def test_a_provider_that_wants_no_retry_gets_none() -> None:
    with other_side([answer(503)]) as side:
        caller(side.url, wants_retry=lambda reply: reply.status != 503).ask("GET", "/", READ)
        assert len(side.requests) == 1


def test_a_write_without_a_key_is_never_repeated_once_it_left() -> None:
    for behaviour in (hang_up, cut, answer(503), stall(0.6)):
        with other_side([behaviour, answer(200)]) as side:
            result = caller(side.url).ask("POST", "/", WRITE, body=b"x")
            assert not (isinstance(result, Reply) and result.is_success)
            assert len(side.requests) == 1


def test_a_lost_answer_is_told_from_a_request_that_never_left() -> None:
    with other_side([hang_up]) as side:
        assert caller(side.url).ask("POST", "/", WRITE) == Lost("remote-protocol-error")
    assert caller(side.url).ask("POST", "/", WRITE) == NotSent("connect-error")


def test_what_may_have_been_done_once_stays_unknown_when_a_later_attempt_never_left() -> None:
    with other_side([hang_up]) as side:
        outbound = caller(side.url)

        def stop_listening(_wait_s: float) -> None:
            # The first answer was lost; now nobody listens any more.
            outbound._base_url = f"http://127.0.0.1:{_closed_port()}"  # noqa: SLF001 - the other side moves

        outbound._pause = stop_listening  # noqa: SLF001 - between two attempts
        assert isinstance(outbound.ask("POST", "/", READ), Lost)


@pytest.mark.parametrize("behaviour", [drip(0.05), stall(3)])
def test_no_call_takes_longer_than_its_deadline(behaviour: Any) -> None:
    patient = CallPolicy("test", connect_s=0.5, read_s=10, total_s=0.5)
    with other_side([behaviour]) as side:
        begun = time.monotonic()
        assert caller(side.url).ask("GET", "/", patient) == Lost("read-timeout")
        assert time.monotonic() - begun < 0.5 + 0.25


def test_an_answer_that_is_too_long_is_not_read_to_its_end() -> None:
    short = CallPolicy("test", connect_s=0.5, read_s=0.5, total_s=1, bytes_max=100)
    with other_side([answer(200, b"x" * 101), answer(200, b"x" * 100)]) as side:
        outbound = caller(side.url)
        assert outbound.ask("GET", "/", short) == Lost("answer-too-long")
        assert isinstance(outbound.ask("GET", "/", short), Reply)
        assert len(side.requests) == 2


def test_a_storm_of_errors_adds_few_calls() -> None:
    with other_side([answer(503)]) as side:
        outbound = caller(side.url)
        for _ in range(200):
            outbound.ask("GET", "/", STUBBORN)
        assert 200 < len(side.requests) <= 200 + FULL // 5


def test_a_time_out_costs_more_than_an_error() -> None:
    with other_side([hang_up]) as side:
        outbound = caller(side.url)
        for _ in range(50):
            outbound.ask("GET", "/", STUBBORN)
        assert len(side.requests) == 50 + FULL // HARD_RETRY_COSTS


def test_successes_fill_the_budget_again() -> None:
    storm, calm = [answer(503)] * 220, [answer(200)] * 10
    with other_side([*storm, *calm, answer(503)]) as side:
        outbound = caller(side.url)
        for _ in range(200 + 10):
            outbound.ask("GET", "/", STUBBORN)
        seen = len(side.requests)
        outbound.ask("GET", "/", STUBBORN)
        assert len(side.requests) == seen + 3


@pytest.mark.parametrize("text", [b"[1]", b"{", b"", b'"x"', b"[" * 100_000])
def test_a_body_that_is_no_object_is_none(text: bytes) -> None:
    assert Reply(200, {}, text).object() is None


@pytest.mark.parametrize("url", ["ftp://host/", "/path", "http://", "127.0.0.1:80"])
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="http://"):
        Outbound(url, now=lambda: NOW)


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
