"""Endpoints of somebody else: real HTTP servers that keep what they get, and do as they are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Letter:
    """What arrived, and when on the monotonic clock."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass
class PostOffice:
    """All endpoints of a test: one server, told apart by path.

    Attributes:
        answers: What a path answers: a status, or a status and a `Retry-After`; 200 by default.
        slow: Seconds that a path takes to answer.
    """

    port: int = 0
    letters: list[Letter] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=dict)
    most_at_once: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str = "/a") -> str:
        """Return the address of an endpoint."""
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Letter]:
        """Return what arrived at an endpoint, in order."""
        with self.lock:
            return [one for one in self.letters if one.path == path]

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str | None]:
        """Keep what arrived and return what is answered."""
        with self.lock:
            self.letters.append(Letter(path, headers, body, time.monotonic()))
            self.busy[path] = self.busy.get(path, 0) + 1
            self.most_at_once[path] = max(self.most_at_once.get(path, 0), self.busy[path])
            answer = self.answers.get(path, 200)
        if callable(answer):
            answer = answer(body)
        time.sleep(self.slow.get(path, 0))
        with self.lock:
            self.busy[path] -= 1
        return answer if isinstance(answer, tuple) else (answer, None)


@contextmanager
def opened_post_office() -> Iterator[PostOffice]:
    """Open the endpoints on this machine."""
    office = PostOffice()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, retry_after = office.take(self.path, headers, body)
            self.send_response(status)
            if retry_after is not None:
                self.send_header("retry-after", retry_after)
            if 300 <= status < 400:
                self.send_header("location", office.url("/elsewhere"))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    office.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield office
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
