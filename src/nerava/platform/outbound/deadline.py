"""A network on which nothing takes longer than what is left of the call's deadline."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpcore2

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

SHORTEST_S: Final = 0.001
"""A socket with a timeout of 0 would not wait at all, and say so with another error."""


class Deadline(threading.local):
    """Until when the call of this thread may take; a connection serves many calls, one after the other."""

    until: float | None = None

    @contextmanager
    def set_to(self, until: float) -> Iterator[None]:
        """Hold the deadline (monotonic seconds) while the block runs."""
        self.until = until
        try:
            yield
        finally:
            self.until = None

    def left(self, timeout_s: float | None) -> float | None:
        """Return the shorter of a timeout and what is left."""
        if self.until is None:
            return timeout_s
        left_s = max(SHORTEST_S, self.until - time.monotonic())
        return left_s if timeout_s is None else min(timeout_s, left_s)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the signature of the library
        return self._inner.get_extra_info(info)


class DeadlineNetwork(httpcore2.SyncBackend):
    """The operating system's network, with the deadline of the calling thread over every wait.

    Without it one byte a second keeps a call alive for ever: each read is in time.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect, and return the connection under the deadline."""
        left = self._deadline.left(timeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options), self._deadline)
