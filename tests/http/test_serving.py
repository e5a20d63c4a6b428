"""The real process over real sockets: it starts, says when it is ready, and ends without losing a request."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from nerava import migrations
from tests.chaos.nursery import Child, nursery_of_this_process

PATIENCE_S = 40
NO_REQUESTS = (
    b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    b"get /v1/wallet HTTP/1.1\r\nHost: test\r\n\r\n",
    b"POST /v1/payouts HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /v1/payouts HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET /%b HTTP/1.1\r\nHost: test\r\n\r\n" % (b"a" * 16_384),
)
"""What no application sees: the server itself answers, in the same form and with the same headers."""


def ask(port: int, path: str, *, raw: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    """Send one request over a connection of its own and return status, headers and body."""
    request = raw or f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split(" ")[1]), headers, body


def free_port() -> int:
    """Return a port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition comes true."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(OSError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise AssertionError("it never happened")
        time.sleep(0.05)


@contextmanager
def serving(
    url: str, folder: Path, *, output: Path | None = None, **environment: str
) -> Iterator[tuple[Child, int]]:
    """Start `nerava serve` on a database, wait until it is ready, and make sure that it ends.

    What it says goes to `output`, or a file of its own in the folder.
    """
    port = free_port()
    more = {
        "NERAVA_ENV": "test",
        "NERAVA_SERVER__PORT": str(port),
        "NERAVA_TOKENS__KEYS_DIRECTORY": str(folder / "keys"),
        "NERAVA_DATABASE__URL": url,
        "PYTHONUNBUFFERED": "1",
    }
    process = nursery_of_this_process().child(
        ["serve"], {**more, **environment}, output or folder / f"serve-{port}.out"
    )
    try:
        until(lambda: process.poll() is not None or ask(port, "/readyz")[0] == 200)
        yield process, port
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def sqlite_url(database_url: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    with database_url("sqlite") as url:
        yield url


def test_it_serves_and_ctrl_c_ends_it_cleanly(url: str, tmp_path: Path) -> None:
    with serving(url, tmp_path) as (process, port):
        assert ask(port, "/livez")[2] == b"ok"
        status, headers, body = ask(port, "/version")
        assert (status, json.loads(body)["schema_head"]) == (200, migrations.head())
        assert "server" not in headers
        status, headers, _ = ask(port, "/v1/wallet")
        assert (status, headers["content-type"]) == (401, "application/problem+json")
        for raw in NO_REQUESTS:
            status, headers, body = ask(port, "", raw=raw)
            assert (status, headers["content-type"]) == (400, "application/problem+json")
            assert json.loads(body)["code"] == "request-malformed"
            assert headers["x-content-type-options"] == "nosniff"
            assert int(headers["content-length"]) == len(body)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, output
        assert "Traceback" not in output


def test_sigterm_takes_it_out_before_it_stops_and_no_request_is_lost(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, NERAVA_SERVER__DRAIN_S="2") as (process, port):
        answers: list[int] = []
        drained = threading.Event()

        def go_on() -> None:
            # A client that leaves when it is told that the process does not want more.
            while not drained.is_set():
                answers.append(ask(port, "/v1/wallet")[0])
                if ask(port, "/readyz")[2] == b"draining":
                    drained.set()

        clients = [threading.Thread(target=go_on) for _ in range(4)]
        for client in clients:
            client.start()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(PATIENCE_S)
        assert drained.is_set()
        kept = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"
        assert ask(port, "", raw=kept)[1]["connection"] == "close"  # Nobody is to keep a connection to it.
        assert set(answers) == {401}
        assert ask(port, "/v1/wallet")[0] == 401  # It still serves who comes late.
        assert process.wait(PATIENCE_S) == 0


def test_a_second_signal_ends_at_once(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, NERAVA_SERVER__DRAIN_S="60") as (process, port):
        process.send_signal(signal.SIGTERM)
        until(lambda: ask(port, "/readyz")[2] == b"draining")
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
        assert time.monotonic() - started < 10


def test_a_taken_port_is_said_in_plain_words(sqlite_url: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        answer = subprocess.run(
            [sys.executable, "-m", "nerava", "serve"],
            env={
                **os.environ,
                "NERAVA_ENV": "test",
                "NERAVA_SERVER__PORT": port,
                "NERAVA_DATABASE__URL": sqlite_url,
            }
            | {"NERAVA_TOKENS__KEYS_DIRECTORY": str(tmp_path / "keys")},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    told = answer.stdout + answer.stderr
    assert answer.returncode == 2, told
    assert port in told
    assert "Traceback" not in told
