"""A collector for tests: takes OTLP over HTTP on a real socket, and can be slow, down or unwilling."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan


class Got(NamedTuple):
    """A span as the collector has it; ids in hexadecimal, instants in nanoseconds of Unix time."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: list[tuple[str, str]]
    attributes: dict[str, Any]
    error: bool
    began: int
    ended: int


@dataclass
class Receiver:
    """What the collector was sent, and how it behaves."""

    port: int
    status: int = 200
    waits_s: float = 0.0
    rejects: int = 0
    spans: list[Got] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What is set as the endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def named(self, name: str) -> Got:
        """Return the one span of this name."""
        [found] = [one for one in self.spans if one.name == name]
        return found

    def trace(self, trace: str) -> list[Got]:
        """Return the spans of a trace in the order of their beginnings."""
        return sorted((one for one in self.spans if one.trace == trace), key=lambda one: one.began)

    def wait_for(self, count: int, patience_s: float = 10.0) -> None:
        """Wait until so many spans are here."""
        until = time.monotonic() + patience_s
        while len(self.spans) < count:
            assert time.monotonic() < until, f"{len(self.spans)} of {count} spans arrived"
            time.sleep(0.01)

    def take(self, body: bytes) -> None:
        """Read what was sent."""
        self.bodies.append(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append({one.key: _value(one.value) for one in group.resource.attributes})
            for scope in group.scope_spans:
                self.spans.extend(map(_got, scope.spans))


@contextmanager
def otlp_receiver() -> Iterator[Receiver]:
    """Run a collector on a port of its own."""
    receiver = Receiver(0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            time.sleep(receiver.waits_s)
            receiver.paths.append(self.path)
            receiver.heads.append({name.lower(): value for name, value in self.headers.items()})
            if receiver.status == 200:
                receiver.take(body)
            said = ExportTraceServiceResponse()
            said.partial_success.rejected_spans = receiver.rejects
            answer = said.SerializeToString()
            self.send_response(receiver.status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _got(span: WireSpan) -> Got:
    return Got(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        [(one.trace_id.hex(), one.span_id.hex()) for one in span.links],
        {one.key: _value(one.value) for one in span.attributes},
        span.status.code == 2,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
    )


def _value(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")
