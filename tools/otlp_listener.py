"""Prints traces as they arrive, each as a tree: `python -m tools.otlp_listener 4318`; Ctrl-C ends it."""

from __future__ import annotations

import sys
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

PORT: Final = 4318
_NS_PER_MS: Final = 1_000_000


def lines(body: bytes) -> Iterator[str]:
    """Yield what was sent as lines: a trace id, then its spans, each under what it is a part of."""
    traces: dict[str, dict[bytes, list[Span]]] = defaultdict(lambda: defaultdict(list))
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        for span in (one for scope in group.scope_spans for one in scope.spans):
            traces[span.trace_id.hex()][span.parent_span_id].append(span)
    for trace, below in traces.items():
        yield f"trace {trace}"
        known = {one.span_id for some in below.values() for one in some}
        for parent in [one for one in below if one not in known]:
            yield from _tree(below, below[parent], 1)


def _tree(below: Mapping[bytes, Sequence[Span]], spans: Sequence[Span], depth: int) -> Iterator[str]:
    for span in sorted(spans, key=lambda one: one.start_time_unix_nano):
        took_ms = (span.end_time_unix_nano - span.start_time_unix_nano) / _NS_PER_MS
        failed = " FAILED" if span.status.code else ""
        yield f"{'  ' * depth}{span.name} {took_ms:.1f} ms{failed}"
        yield from _tree(below, below.get(span.span_id, ()), depth + 1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take what is sent and print it."""
        body = self.rfile.read(int(self.headers["content-length"]))
        print("\n".join(lines(body)), flush=True)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: the traces are what is to be seen."""


def main() -> None:
    """Listen until Ctrl-C, or until the process is told to end."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    with ThreadingHTTPServer(("127.0.0.1", port), _Handler) as server:
        print(f"waiting for traces on http://127.0.0.1:{port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
