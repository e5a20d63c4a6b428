"""Runs the web server or the background work of an installation until a signal ends it."""

from __future__ import annotations

import errno
import fcntl
import logging
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from nerava.app import create_app
from nerava.commands.errors import AddressUnusable, FileServed, PortTaken
from nerava.commands.opening import refusing
from nerava.installation import apply_stops, background_of, open_installation
from nerava.kernel.clock import SystemClock
from nerava.measuring import measure_process, operator_of
from nerava.platform.logging_setup import set_up_logging
from nerava.platform.redaction import REDACTOR
from nerava.serving import server_for
from nerava.startup_checks.sqlite_file import file_of
from nerava.telemetry import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

    from nerava.commands.output import Output
    from nerava.installation import Installation
    from nerava.settings import Settings

log = logging.getLogger(__name__)


def run_server(out: Output, settings: Settings) -> None:
    """Serve the HTTP API under settings that were checked, until Ctrl-C or SIGTERM."""
    with refusing(out), sole_server(settings), listen(settings) as listening:
        write_log(settings)
        address = f"http://{settings.server.host}:{listening.getsockname()[1]}"
        with recorded(settings, SystemClock(), "serve"):
            serve(
                create_app(settings),
                settings,
                listening,
                announce=lambda: out.say(f"Nerava serves on {address}"),
            )


def run_work(out: Output, settings: Settings) -> None:
    """Run the background work under settings that were checked, until Ctrl-C or SIGTERM."""
    with refusing(out), recorded(settings, SystemClock(), "work"):
        write_log(settings)
        installation = open_installation(settings)
        # A database that came back from a backup must not show anybody who was erased since.
        installation.erasures.replay(installation.clock.now())
        apply_stops(installation)
        background = background_of(installation)
        end_by_signal(background.ask_to_stop)
        with telling(installation):
            out.say("Nerava works in the background")
            try:
                background.run()
            finally:
                installation.close()


@contextmanager
def telling(installation: Installation) -> Iterator[int | None]:
    """Tell what a worker measures on a port of its own while the block runs; yield the port.

    Work must not stand still for it: where the port is taken, the log says so and nobody is told.
    """
    wanted = installation.settings.metrics
    if installation.meter is None:
        yield None
        return
    measure_process(installation.meter, "work")
    from nerava.platform.metrics.server import MetricsServer  # noqa: PLC0415 - only who measures

    try:
        operator = operator_of(installation.settings, installation.clock)
        server = MetricsServer(installation.meter, operator, wanted.work_host, wanted.work_port)
    except OSError as error:
        log.warning("nobody is told metrics at %s:%s: %s", wanted.work_host, wanted.work_port, error.strerror)
        yield None
        return
    log.info("metrics are told at %s:%s", wanted.work_host, server.port)
    try:
        yield server.port
    finally:
        server.close()


@contextmanager
def sole_server(settings: Settings) -> Iterator[None]:
    """Keep other servers from a SQLite file while the block runs; any number of them serve one PostgreSQL.

    What says so is the lock of a file beside it, which ends with this process however it ends.

    Raises:
        FileServed: Another process is there (409).
    """
    books = file_of(settings.database.url)
    if books is None:
        yield
        return
    with books.with_name(f"{books.name}-serving").open("ab") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"one process must own a SQLite file, and another one has {books}; end that first"
            raise FileServed(message) from None
        yield


def end_by_signal(end: Callable[[], None]) -> None:
    """Have `end` called at the first SIGINT or SIGTERM. The second ends the process at once.

    That is as safe as kill -9: work that was begun is taken up by whoever finds its lease run out.
    """
    both = (signal.SIGINT, signal.SIGTERM)

    def on_signal(*_: object) -> None:
        for one in both:
            signal.signal(one, signal.SIG_DFL)
        end()

    for one in both:
        signal.signal(one, on_signal)


def write_log(settings: Settings) -> None:
    """Write the log to standard error, redacted: JSON under production's rules, else for people."""
    password = make_url(settings.database.address).password
    if password:
        REDACTOR.learn(password)
    set_up_logging(settings.log.level, as_json=settings.is_strict)


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens where the settings say.

    Raises:
        PortTaken: Another program is there (409).
        AddressUnusable: The address is not one of this machine's, or the port is reserved (409).
    """
    host, port = settings.server.host, settings.server.port
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        opened.listen(socket.SOMAXCONN)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            message = (
                f"something listens on {host}:{port} already; choose another port: NERAVA_SERVER__PORT for "
                f'`nerava serve`, --port for `nerava demo` (`make demo ARGS="--port {port + 1}"`)'
            )
            raise PortTaken(message) from None
        message = f"{host}:{port}: {error.strerror or error}"
        raise AddressUnusable(message) from None
    return opened


def serve(
    app: FastAPI, settings: Settings, listening: socket.socket, *, announce: Callable[[], None]
) -> None:
    """Serve an application on a listening socket until a signal ends it; requests finish first.

    `announce` says where it serves and how to end it. The signals are the server's before anybody
    reads that, so Ctrl-C ends it cleanly from the first word on.
    """
    server = server_for(app, settings.server)
    try:
        with server.capture_signals():
            announce()
            server.run(sockets=[listening])
    finally:
        listening.close()
