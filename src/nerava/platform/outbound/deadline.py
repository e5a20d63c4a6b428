"""A network on which nothing takes longer than what is left of the call's deadline."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import httpcore2

from nerava.platform.outbound.addresses import addresses_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORTEST_S: Final = 0.001
"""A socket with a timeout of 0 would not wait at all, and say so with another error."""

NO_LIMIT_S: Final = 60.0
"""Nothing here waits longer than that, not even without a deadline."""

_CALLER: Final[ContextVar[float | None]] = ContextVar("caller_until", default=None)


@contextmanager
def caller_deadline(seconds: float) -> Iterator[None]:
    """Have every call within the block end within so many seconds; an earlier end outside stays."""
    outer, until = _CALLER.get(), time.monotonic() + seconds
    token = _CALLER.set(until if outer is None else min(outer, until))
    try:
        yield
    finally:
        _CALLER.reset(token)


def caller_left_s() -> float | None:
    """Return how many seconds the caller has left, 0 if none; None if nobody set a deadline."""
    until = _CALLER.get()
    return None if until is None else max(0.0, until - time.monotonic())


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


class TlsRefused(httpcore2.ConnectError):
    """The other side could not show that it is who it should be, or speaks no TLS that we accept."""


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
        try:
            secured = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        except httpcore2.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise TlsRefused from error
            raise
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the signature of the library
        return self._inner.get_extra_info(info)


class DeadlineNetwork(httpcore2.SyncBackend):
    """The operating system's network, with the deadline of the calling thread over every wait.

    Without it one byte a second keeps a call alive for ever: each read is in time. The name is looked
    up once, its addresses are tried one after the other, and what was looked at is what is connected to.
    """

    def __init__(self, deadline: Deadline, *, only_public: bool = False) -> None:
        """Serve one client.

        Args:
            deadline: Of its calls.
            only_public: Connect to no address but those of the public internet.
        """
        self._deadline = deadline
        self._only_public = only_public

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect, and return the connection under the deadline."""
        patience_s = self._deadline.left(timeout) or NO_LIMIT_S
        until = time.monotonic() + patience_s
        found = addresses_of(host, port, patience_s, only_public=self._only_public)
        for place, address in enumerate(found, start=1):
            # The first of three may take a third, so that a dead one leaves time for the others.
            share_s = max(SHORTEST_S, (until - time.monotonic()) / (len(found) - place + 1))
            try:
                plain = super().connect_tcp(address, port, share_s, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if place == len(found):
                    raise
            else:
                return _Stream(plain, self._deadline)
        raise AssertionError("a name without an address is refused before")
