"""Turns tracing on for a process, as its settings say, and brings what it records to a collector."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from nerava import __version__
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.platform import tracing
from nerava.platform.outbound import Outbound, Reply, Surroundings
from nerava.platform.outbound.with_secret import ask_with
from nerava.platform.provider_calls import TELEMETRY_PUSH
from nerava.platform.redaction import REDACTOR
from nerava.settings.tracing import headers_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nerava.kernel.clock import Clock
    from nerava.platform.otlp import Export
    from nerava.platform.outbound import Result
    from nerava.settings import Settings

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
PROTOBUF: Final = "application/x-protobuf"


class TracingNotInstalled(NeravaError):
    """Tracing is turned on, and what it needs is not installed."""

    code = "tracing-not-installed"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Install nerava[tracing], or turn tracing off"


class NotTaken(NeravaError):
    """The collector did not answer, or did not take what it was sent."""

    code = "spans-not-taken"
    status = HTTPStatus.BAD_GATEWAY
    title = "The collector did not take the spans"


@contextmanager
def recorded(settings: Settings, clock: Clock, process: str) -> Iterator[Export | None]:
    """Record while the block runs, if the settings want it, and send the rest at its end.

    What opens a database or a server in the block is recorded. A process records once at a time.

    Args:
        settings: Of the installation.
        clock: For the time of day that spans are given on their way out.
        process: `serve`, `work` or the name of a command.

    Raises:
        TracingNotInstalled: The parts for it are missing (503).
    """
    if not settings.tracing.enabled:
        yield None
        return
    collector = _Collector(settings, clock)
    export = _begin(settings, clock, process, collector)
    tracing.turn_on(export.take, ratio=settings.tracing.sample_ratio)
    try:
        yield export
    finally:
        tracing.turn_off()
        export.close()
        collector.close()


def _begin(settings: Settings, clock: Clock, process: str, collector: _Collector) -> Export:
    try:
        # A process that does not record must not even load it.
        from nerava.platform.otlp import Export, encoded, enveloped, rejected_in  # noqa: PLC0415 - as said above
    except ModuleNotFoundError as missing:
        raise TracingNotInstalled from missing
    wanted = settings.tracing
    resource = {
        "service.name": wanted.service_name,
        "service.version": __version__,
        "service.instance.id": str(new_id()),
        "deployment.environment.name": settings.env or "development",
        "nerava.process": process,
        **wanted.attributes,
    }

    ahead_ns = _ahead_ns(clock)

    def encode(bunch: tracing.Bunch) -> list[bytes]:
        return encoded(bunch, ahead_ns)

    def send(bunches: Sequence[list[bytes]]) -> int:
        nonlocal ahead_ns
        ahead_ns = _ahead_ns(clock)
        return rejected_in(collector.bring(enveloped(bunches, resource)))

    return Export(encode, send, room=wanted.queue_spans)


def _ahead_ns(clock: Clock) -> int:
    """Return what has to be added to monotonic time to get Unix time; looked at anew with every batch."""
    return (clock.now() - EPOCH) // timedelta(microseconds=1) * 1_000 - time.monotonic_ns()


class _Collector:
    """The other side: takes a body once, within two seconds, or not."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._headers = settings.live("tracing.headers", clock)
        parts = urlsplit(settings.tracing.address)
        # What is lost is told by the export, once a minute.
        quiet = Surroundings(observe=lambda _attempt: None)
        self._outbound = Outbound(f"{parts.scheme}://{parts.netloc}", now=clock.now, surroundings=quiet)
        self._path = parts.path or "/"

    def bring(self, body: bytes) -> bytes:
        """Send a body and return the answer.

        Raises:
            NotTaken: Nobody answered, or not with a success (502).
        """
        given = self._headers
        result = self._ask("", body) if given is None else ask_with(given, lambda text: self._ask(text, body))
        if not isinstance(result, Reply) or not result.is_success:
            raise NotTaken(str(result.status) if isinstance(result, Reply) else result.code)
        return result.body

    def _ask(self, text: str, body: bytes) -> Result:
        headers = headers_in(text)
        for value in headers.values():
            REDACTOR.learn(value)
        headers["content-type"] = PROTOBUF
        return self._outbound.ask("POST", self._path, TELEMETRY_PUSH.call, headers=headers, body=body)

    def close(self) -> None:
        """Close the connection."""
        self._outbound.close()
