"""The other side of a connection, told line by line how to misbehave."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket], None]
"""What happens on a connection after the request was read; the connection is closed afterwards."""


def answer(status: int, body: bytes = b"{}", **headers: str) -> Behaviour:
    """Answer in full."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(_head(status, len(body), headers) + body)

    return behave


def drip(pause_s: float) -> Behaviour:
    """Promise a thousand bytes and send one in a while."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(_head(200, 1_000, {}))
        for _ in range(1_000):
            connection.sendall(b" ")
            time.sleep(pause_s)

    return behave


def stall(seconds: float) -> Behaviour:
    """Say nothing for a while."""
    return lambda _connection: time.sleep(seconds)


def hang_up(_connection: socket.socket) -> None:
    """Close without a word."""


def cut(connection: socket.socket) -> None:
    """Promise more than is sent."""
    connection.sendall(_head(200, 1_000, {}) + b"{")


@dataclass
class OtherSide:
    """A server on this machine; `requests` are the heads it read, in order."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def other_side(behaviours: Sequence[Behaviour]) -> Iterator[OtherSide]:
    """Serve one connection a behaviour, in order, the last one for ever."""
    listening = socket.create_server(("127.0.0.1", 0))
    side = OtherSide(listening.getsockname()[1])
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    side.requests.append(_read_request(connection))
                    behaviours[min(len(side.requests), len(behaviours)) - 1](connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield side
    finally:
        stopping.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(3)


def _read_request(connection: socket.socket) -> bytes:
    read = b""
    while b"\r\n\r\n" not in read:
        piece = connection.recv(65_536)
        if not piece:
            return read
        read += piece
    return read


def _head(status: int, length: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {length}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
