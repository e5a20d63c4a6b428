"""Serves the simulators over real HTTP on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nerava.simulators.application import simulators_application
from nerava.simulators.courier import Courier
from nerava.simulators.errors import LooksLive
from nerava.simulators.handle import Simulators
from nerava.simulators.http2 import PREFACE, Http2Line
from nerava.simulators.playing import HANG_UP
from nerava.simulators.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nerava.kernel.clock import Clock

HOST: Final = "127.0.0.1"
STARTS_WITHIN_S: Final = 10.0
TICK_S: Final = 0.1
LAST_WORDS_S: Final = 0.1
"""How long calls that are being answered may go on when the server ends."""

_LIVE: Final = ("sk_live_", "rk_live_", "pk_live_", "sq0idp-", "sq0csp-")
"""How keys to real money begin, at Stripe and at Square."""


class HangingUp(HttpToolsProtocol):
    """Tells the application how to end the connection of a call at once, and understands HTTP/2, too."""

    _newer: Http2Line | None = None

    def data_received(self, data: bytes) -> None:
        """Take what came; who begins as HTTP/2 does, without TLS, is answered in HTTP/2."""
        if self._newer is None and data.startswith(PREFACE):
            self._newer = Http2Line(self.app, self.transport, self.loop)
        if self._newer is None:
            super().data_received(data)
        else:
            self._newer.take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was on its way."""
        if self._newer is not None:
            self._newer.lost()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin a call."""
        super().on_message_begin()
        scope: Any = self.scope
        scope["extensions"] = {HANG_UP: self.transport.close}


class PromptServer(uvicorn.Server):
    """uvicorn that ends when it is told to, and not at its next look and a tenth of a second later."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    def end(self) -> None:
        """Begin to end; from any thread. Repeats safely."""
        self.should_exit = self.force_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        """Serve until somebody ends it; as uvicorn does, but for how it waits."""
        self._loop = asyncio.get_running_loop()
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            waker = self._loop.call_later(TICK_S, self._told.set)
            await self._told.wait()
            waker.cancel()
            self._told.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End connections at rest at once, and others when they are answered, or after a moment.

        Nobody here wants to hear of it: applications have no lifespan.
        """
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        until = time.monotonic() + LAST_WORDS_S
        while self.server_state.connections and time.monotonic() < until:  # noqa: ASYNC110 - nobody says it
            await asyncio.sleep(0.001)
        for task in self.server_state.tasks:
            task.cancel()


def refuse_live_keys(environment: Mapping[str, str]) -> None:
    """Make sure that no variable holds what looks like a key to real money; names it, and not its value.

    Raises:
        LooksLive: One does (409).
    """
    for name, value in environment.items():
        if any(beginning in value for beginning in _LIVE):
            raise LooksLive(f"the variable {name} holds what looks like a live key")


def listen(port: int) -> socket.socket:
    """Return a socket that listens on this machine only; port 0 takes a free one."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
        opened.listen(socket.SOMAXCONN)
    except OSError:
        opened.close()
        raise
    return opened


def open_simulators(
    *,
    seed: int,
    port: int,
    clock: Clock | None = None,
    webhooks_to: Mapping[str, str] | None = None,
    control_token: str | None = None,
) -> tuple[Simulators, PromptServer, socket.socket]:
    """Return simulators with a server that does not run yet, and the socket that it listens on.

    Raises:
        LooksLive: The environment holds a live-looking key (409).
    """
    refuse_live_keys(os.environ)
    world = World(seed, clock, webhooks_to or {})
    courier = Courier(world)
    listening = listen(port)
    token = control_token or f"sim_{secrets.token_urlsafe(18)}"
    application = simulators_application(world, courier, token)
    config = uvicorn.Config(
        application,
        http=HangingUp,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level=logging.CRITICAL,  # a body that ends too early is our wish, and no accident
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=0,
    )
    base_url = f"http://{HOST}:{listening.getsockname()[1]}"
    return Simulators(world, courier, base_url, token), PromptServer(config), listening


@contextmanager
def running_simulators(
    *,
    seed: int = 1,
    port: int = 0,
    clock: Clock | None = None,
    webhooks_to: Mapping[str, str] | None = None,
    by_hand: bool = False,
) -> Iterator[Simulators]:
    """Run the simulators in a thread of this process, and end them afterwards.

    Args:
        seed: All ids, secrets and random faults come from it.
        port: On 127.0.0.1; 0 takes a free one.
        clock: The time of the simulated world; share a `FixedClock` with the product to move both at once.
            None is the host's time.
        webhooks_to: Addresses by endpoint: `stripe`, `stripe_connect` (of connected accounts),
            `stripe_thin` (v2 events), `square`.
            An endpoint without an address keeps its webhooks, to be taken by hand.
        by_hand: Webhooks wait until they are told to go; else they go when they are due.

    Raises:
        LooksLive: The environment holds a live-looking key (409).
    """
    simulators, server, listening = open_simulators(
        seed=seed, port=port, clock=clock, webhooks_to=webhooks_to
    )
    simulators.webhooks.by_hand(by_hand)
    thread = threading.Thread(target=server.run, args=([listening],), name="simulators", daemon=True)
    thread.start()
    try:
        _wait_for(lambda: server.started or not thread.is_alive())
        simulators.start()
        yield simulators
    finally:
        server.end()
        simulators.stop()
        thread.join()
        listening.close()


def _wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not ready():
        if time.monotonic() > deadline:
            message = "the simulators did not start"
            raise AssertionError(message)
        time.sleep(0.002)
