"""The web server: how it is set up, and how it ends without losing a request."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final

import uvicorn

from nerava.platform.slow_clients import PatientProtocol

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import FastAPI

    from nerava.platform.readiness import Readiness
    from nerava.settings import ServerSettings

_CLOSE: Final = (b"connection", b"close")


class DrainingServer(uvicorn.Server):
    """uvicorn that, on SIGTERM, first says it is not ready and goes on serving for a while.

    So a load balancer takes the process out before it stops listening, and connections that clients
    keep end with their next answer, before a request could be lost on them. Ctrl-C skips the wait. A
    second signal of either kind ends at once, which is as safe as kill -9: nothing that was
    acknowledged depends on a clean end. After a clean end the process goes on and exits with 0.
    """

    def __init__(self, config: uvicorn.Config, readiness: Readiness, drain_s: int) -> None:
        super().__init__(config)
        self._readiness = readiness
        self._drain_s = drain_s
        self._signalled = False
        self._exit_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's signature
        """Begin to drain, or end at once when asked again."""
        if self._signalled:
            self.should_exit = self.force_exit = True
            return
        self._signalled = True
        self._readiness.drain()
        if self.started:
            self._end_kept_connections()
        if sig == signal.SIGTERM and self._drain_s and self.started:
            self._exit_at = asyncio.get_running_loop().time() + self._drain_s
        else:
            self.should_exit = True

    def _end_kept_connections(self) -> None:
        """Send `Connection: close` with every answer from now on."""
        self.config.encoded_headers.append(_CLOSE)  # uvicorn makes its headers anew from these every second
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]

    async def on_tick(self, counter: int) -> bool:
        """End the main loop when the time to drain is over; called ten times a second."""
        if self._exit_at is not None and asyncio.get_running_loop().time() >= self._exit_at:
            self.should_exit = True
        return await super().on_tick(counter)


def server_for(app: FastAPI, settings: ServerSettings) -> DrainingServer:
    """Return the server of an application made by `create_app`; run it on a listening socket."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=PatientProtocol,
        lifespan="on",
        access_log=False,
        log_config=None,  # its records go where ours go, through the redactor
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # nobody's word is taken for the caller's address
        timeout_graceful_shutdown=settings.grace_s,
    )
    return DrainingServer(config, app.state.readiness, settings.drain_s)
