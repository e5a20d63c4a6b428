"""Composition root of the web process: the only module that knows everything it is made of."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import anyio.to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy import make_url
from starlette.exceptions import HTTPException

from nerava import __version__, migrations
from nerava.discovery.map_files import MapFiles
from nerava.identity.api_key_text import Mode
from nerava.identity.challenges import Codes
from nerava.identity.denials import Denials
from nerava.identity.guard import TokenGuard
from nerava.identity.invites import Invites
from nerava.identity.key_guard import KeyGuard, KeyRules
from nerava.identity.links import Links
from nerava.identity.page_guard import PageGuard, RouteGuard
from nerava.identity.refreshing import Refreshing
from nerava.identity.revocation import Revocations
from nerava.identity.standing import StandingDirectory
from nerava.identity.web_sessions import WebSessions
from nerava.installation import (
    Installation,
    apply_stops,
    background_of,
    open_installation,
    payouts_of,
    proving_of,
    redeeming_of,
)
from nerava.integrations.datasets import maps_folder
from nerava.integrations.ocpi.guard import PeerGuard
from nerava.kernel.errors import NeravaError
from nerava.measuring import measure_web, operator_of, warnings_of
from nerava.platform import policy
from nerava.platform.client_address import networks_of
from nerava.platform.cors import Cors, origins_of
from nerava.platform.cross_site import CrossSite
from nerava.platform.edge import Edge
from nerava.platform.readiness import Expectations, Readiness
from nerava.privacy.holds import Holds
from nerava.web.api import problem_handlers
from nerava.web.api.throttle import Throttle
from nerava.web.api.wiring import Wiring
from nerava.web.routes import ALL_ROUTES
from nerava.web.wallets import Wallets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from fastapi.telemetry import TelemetryConfig

    from nerava.settings import Settings
    from nerava.worker import (
        BackgroundWork,
    )

THREADS_ABOVE_POOL: Final = 4
"""Worker threads beyond database connections; more would only queue for one."""

NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}
"""The framework's own, which would tell addresses with ids in them, and texts of exceptions."""


class Watch(Protocol):
    """Something that looks at the database in a thread of its own while the process serves."""

    def start(self) -> None:
        """Begin to look."""

    def stop(self) -> None:
        """End. Repeats safely."""


def create_app(settings: Settings, installation: Installation | None = None) -> FastAPI:
    """Return the web application, ready to be served; it is the only one there is.

    It closes what it opened itself; an installation that was handed in is left to its owner.

    Raises:
        RoutesAndPoliciesDiffer: A route was not reviewed in `policy.toml`, or the reverse.
    """
    mine = installation is None
    installation = installation or open_installation(settings)
    head = migrations.head()
    folder = _data_folder(settings)
    readiness = Readiness(
        installation.database,
        installation.clock,
        Expectations(
            schema_head=head,
            data_folder=folder,
            warns=warnings_of(installation.cache, installation.clock.now()),
        ),
    )
    background = background_of(installation)
    revocations = Revocations(installation.database, installation.clock)
    trusted_proxies = networks_of(settings.server.trusted_proxies)
    key_mode = Mode.LIVE if settings.is_strict else Mode.TEST
    app = FastAPI(
        title="Nerava",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
        lifespan=_lifespan(installation, (readiness, revocations), background, close=mine),
    )
    app.router.routes[:] = ALL_ROUTES
    _check_policies(tuple(map(id, ALL_ROUTES)), reviewed_policies())
    app.state.wiring = _wiring_of(installation, readiness, key_mode, head)
    app.state.guard = _guard_of(installation, revocations, KeyRules(key_mode, trusted_proxies))
    throttle = Throttle(installation.limits, installation.clock, trusted_proxies)
    app.state.throttle = throttle if settings.limits_api else policy.Unthrottled()
    app.state.denials = Denials(
        installation.database,
        installation.limits,
        installation.audit,
        installation.clock,
        trusted_proxies=trusted_proxies,
    )
    app.state.readiness = readiness
    app.add_exception_handler(NeravaError, problem_handlers.on_refusal)
    app.add_exception_handler(RequestValidationError, problem_handlers.on_invalid_input)
    app.add_exception_handler(HTTPException, problem_handlers.on_http_exception)
    app.add_middleware(
        Edge,
        requests_max=settings.server.requests_max,
        cors=Cors(origins_of(settings.server.cors_origins)),
        tells=settings.tells_requests,
    )
    if installation.meter is not None:
        measure_web(app, installation.meter, readiness)
    return app


def _wiring_of(
    installation: Installation, readiness: Readiness, key_mode: Mode, schema_head: str | None
) -> Wiring:
    settings = installation.settings
    return Wiring(
        database=installation.database,
        ledger=installation.ledger,
        clock=installation.clock,
        keys=installation.tokens.keys,
        tokens=installation.tokens,
        sessions=installation.sessions,
        refreshing=Refreshing(
            installation.database,
            installation.sessions,
            installation.secrets,
            installation.limits,
            notify=installation.desk.messages.notify,
        ),
        address=settings.address,
        trusted_proxies=networks_of(settings.server.trusted_proxies),
        key_mode=key_mode,
        secrets=installation.secrets,
        vault=installation.vault,
        limits=installation.limits,
        audit=installation.audit,
        switches=installation.switches,
        codes=Codes(installation.desk),
        links=Links(installation.desk, settings.link_page),
        invites=Invites(installation.desk),
        exports=installation.exports,
        erasures=installation.erasures,
        holds=Holds(installation.database, installation.audit),
        proving=proving_of(installation),
        redeeming=redeeming_of(installation),
        wallets=Wallets(installation.database),
        payouts=payouts_of(installation),
        passes=installation.passes,
        intake=installation.intake,
        endpoints=installation.relay.endpoints,
        payments=installation.payments,
        roaming=installation.roaming,
        vehicles=installation.vehicles,
        tills=installation.selling.tills,
        readiness=readiness,
        meter=installation.meter,
        operator=operator_of(settings, installation.clock),
        maps=MapFiles(maps_folder(settings.data_dir)),
        thin_areas=installation.directories.thin_areas,
        enrichment=installation.directories.enrichment,
        app_url=settings.smartcar.app_url,
        till_app_url=settings.square.app_url,
        currency=settings.money.currency,
        build=__version__,
        schema_head=schema_head,
    )


def _guard_of(installation: Installation, revocations: Revocations, keys: KeyRules) -> RouteGuard:
    pages = PageGuard(
        installation.database,
        WebSessions(installation.sessions),
        CrossSite(installation.secrets, _own_origins(installation.settings)),
        installation.clock,
    )
    tokens = TokenGuard(
        installation.tokens,
        StandingDirectory(installation.database, installation.clock),
        revocations,
        installation.clock,
        api_keys=KeyGuard(
            installation.database, installation.vault, installation.limits, installation.clock, keys
        ),
    )
    peers = PeerGuard(installation.database, installation.clock, is_on=installation.roaming is not None)
    return RouteGuard(tokens, pages, peers)


def _own_origins(settings: Settings) -> set[str]:
    """Return where our own pages are: the installation's address, while developing this machine as well."""
    address = urlsplit(settings.address)
    here = {f"http://{host}:{settings.server.port}" for host in ("127.0.0.1", "localhost")}
    return {f"{address.scheme}://{address.netloc}"} | (set() if settings.is_strict else here)


def reviewed_policies() -> str:
    """Return the table of who may call what, as it was reviewed."""
    return resources.files("nerava").joinpath("policy.toml").read_text("utf-8")


@cache
def _check_policies(_routes: tuple[int, ...], reviewed: str) -> None:
    """Compare the routes with the reviewed table, once for these routes: tests make many applications."""
    policy.compare(policy.walk(ALL_ROUTES), reviewed)


def _lifespan(
    installation: Installation, watches: Sequence[Watch], background: BackgroundWork, *, close: bool
) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        settings = installation.settings
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = settings.database.pool_size + THREADS_ABOVE_POOL
        installation.tokens.keys.signing()
        await asyncio.to_thread(apply_stops, installation)
        # A database that came back from a backup must not show anybody who was erased since.
        await asyncio.to_thread(installation.erasures.replay, installation.clock.now())
        for one in watches:
            one.start()
        in_process = settings.worker.in_web_process
        if installation.database.is_sqlite if in_process is None else in_process:
            background.start()
        try:
            yield
        finally:
            await asyncio.to_thread(_end, installation, watches, background, close=close)

    return lifespan


def _end(
    installation: Installation, watches: Sequence[Watch], background: BackgroundWork, *, close: bool
) -> None:
    background.stop()
    for one in watches:
        one.stop()
    if close:
        installation.close()


def _data_folder(settings: Settings) -> Path | None:
    url = make_url(settings.database.url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    return Path(url.database).parent
