"""S23: slow, large, deep and hostile requests are refused in a moment, and everybody else hardly notices."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import statistics
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from nerava.platform.slow_clients import HEAD_BYTES_MAX, HEAD_S
from tests.helpers.databases import fresh_databases
from tests.http.test_serving import ask, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLOW = 500
POLITE = 600
PATH = "/v1/auth/codes"
ENVIRONMENT = {"NERAVA_LIMITS__API": "false", "NERAVA_SERVER__DRAIN_S": "0"}
BACKTRACKING = [
    "a" * 100_000 + "!",
    "a@" * 50_000,
    "+1" * 50_000,
    "." * 100_000 + "@",
    " " * 100_000,
    "((((" * 25_000,
]


@pytest.fixture(scope="module")
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("s23")
    with (
        fresh_databases(request, folder)("sqlite") as url,
        serving(url, folder, **ENVIRONMENT) as (_, opened),
    ):
        yield opened


def hostile() -> Iterator[tuple[str, bytes, dict[str, str], set[int]]]:
    """Yield the name of a request, its body and headers, and how it may be refused."""
    yield "1 MB and a byte", b" " * 1_000_001, {}, {413}
    yield "1 MB of text", json.dumps({"channel": "email", "to": "a" * 999_000}).encode(), {}, {422}
    yield "1 MB of members", json.dumps({f"m{number}": 0 for number in range(70_000)}).encode(), {}, {422}
    yield "depth 33", b"[" * 33 + b"]" * 33, {}, {422}
    yield "depth 400,000", b"[" * 400_000 + b"]" * 400_000, {}, {422}
    yield "a long number", b'{"to": ' + b"9" * 900_000 + b"}", {}, {422}
    yield "a bomb", gzip.compress(b"0" * 50_000_000), {"Content-Encoding": "gzip"}, {415}
    for text in BACKTRACKING:
        body = json.dumps({"channel": "email", "to": text}).encode()
        yield f"a pattern {text[:4]!r}", body, {}, {422}


def post(port: int, body: bytes, headers: dict[str, str]) -> int:
    """Send one request over a connection of its own and return its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", PATH, body, {"Content-Type": "application/json"} | headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_what_is_too_much_is_refused_in_a_moment(port: int) -> None:
    for name, body, headers, statuses in hostile():
        started = time.monotonic()
        assert post(port, body, headers) in statuses, name
        assert time.monotonic() - started < 5, name


def test_a_page_holds_two_hundred_at_most(port: int) -> None:
    assert ask(port, "/v1/wallet/statement?limit=201")[0] in {401, 422}


@pytest.mark.parametrize("cut", [True, False])
def test_a_head_without_end_is_cut_off(port: int, cut: bool) -> None:
    line = b"X-More: " + b"a" * HEAD_BYTES_MAX
    whole = line if cut else line + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=HEAD_S / 2) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + whole)
        with suppress(ConnectionResetError):
            answer = connection.recv(1_000)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


@contextmanager
def dribbling(port: int) -> Iterator[list[socket.socket]]:
    """Hold five hundred connections, each with a request that grows by a byte a second and never ends."""
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            for _ in range(SLOW)
        ]
        over = threading.Event()

        def dribble() -> None:
            for one in slow:
                one.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            while not over.wait(1):
                for one in slow:
                    with suppress(OSError):
                        one.sendall(b"a")

        thread = threading.Thread(target=dribble)
        thread.start()
        stack.callback(thread.join)
        stack.callback(over.set)
        yield slow


def latencies_ms(port: int) -> list[float]:
    """Return how long each of many polite requests took, one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    taken = []
    for _ in range(POLITE):
        started = time.perf_counter()
        connection.request("GET", "/v1/wallet")
        answer = connection.getresponse()
        answer.read()
        taken.append((time.perf_counter() - started) * 1_000)
        assert answer.status == 401
    connection.close()
    return taken


def p99(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_five_hundred_who_dribble_are_cut_off_and_slow_nobody_down(
    port: int, measured: Callable[[str], None]
) -> None:
    latencies_ms(port)
    # The quietest of three: what else the machine does is not what is looked for.
    before = min(p99(latencies_ms(port)) for _ in range(3))
    started = time.monotonic()
    with dribbling(port) as slow:
        during = min(p99(latencies_ms(port)) for _ in range(3))
        for one in slow:
            one.settimeout(max(0.1, HEAD_S + 10 - (time.monotonic() - started)))
            with suppress(ConnectionResetError):
                assert one.recv(1) == b"", "still open"
        took = time.monotonic() - started
    after = post(port, b"{}", {})
    measured(
        f"S23: p99 {before:.2f} ms before, {during:.2f} ms beside {SLOW} slow sockets, gone after {took:.0f} s"
    )
    assert after == 422
    # A fifth more, and a millisecond that the clock of a busy machine needs.
    assert during <= before * 1.2 + 1.0
