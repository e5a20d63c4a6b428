"""Tells metrics from a process that serves nothing else, on a port of its own."""

from __future__ import annotations

import logging
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nerava.platform.metrics.access import OperatorToken
    from nerava.platform.metrics.meter import Meter

log = logging.getLogger(__name__)

PATIENCE_S: Final = 5
"""For how long a caller may be silent."""


class MetricsServer:
    """Answers `/metrics` to who has the token, and `/healthz` to everybody, in threads of its own."""

    def __init__(self, meter: Meter, operator: OperatorToken, host: str, port: int) -> None:
        """Listen; port 0 takes a free one.

        Raises:
            OSError: Somebody listens there already, or the address is not one of this machine's.
        """
        self._server = _Server((host, port), _handler(meter, operator))
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """End. Repeats safely."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - the base's
        """Leave a word in the log; the base prints a traceback past the redactor."""
        log.debug("a request for metrics broke off")


def _handler(meter: Meter, operator: OperatorToken) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_S
        server_version = "nerava"
        sys_version = ""

        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._answer(HTTPStatus.OK, b"ok", "text/plain; charset=utf-8")
            elif self.path != "/metrics":
                self._answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain; charset=utf-8")
            elif not operator.opens(self.headers.get_all("authorization") or []):
                self._answer(HTTPStatus.UNAUTHORIZED, b"send the token", "text/plain; charset=utf-8")
            else:
                self._answer(HTTPStatus.OK, *meter.exposition(self.headers.get("accept", "")))

        def _answer(self, status: HTTPStatus, body: bytes, media_type: str) -> None:
            self.send_response(status)
            if status is HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", "Bearer")
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing: the base prints every request past the redactor."""

    return Handler
