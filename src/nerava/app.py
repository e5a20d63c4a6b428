"""Composition root of the web process: the only module that knows everything it is made of."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
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
from nerava.audit import AuditLog
from nerava.audit.switching import Switching
from nerava.drivers import service as drivers
from nerava.identity.admission import Admission
from nerava.identity.api_key_text import Mode
from nerava.identity.asking import Desk, SmsRules
from nerava.identity.challenges import Codes
from nerava.identity.contacts import Channel
from nerava.identity.guard import TokenGuard
from nerava.identity.issuer_keys import IssuerKeys
from nerava.identity.key_guard import KeyGuard, KeyRules
from nerava.identity.keys import KeyRing
from nerava.identity.links import Links
from nerava.identity.messages import Messages
from nerava.identity.oidc import KEYS_AT, Issuer, Provider
from nerava.identity.one_time import Pepper
from nerava.identity.page_guard import PageGuard, RouteGuard
from nerava.identity.passkeys import RelyingParty
from nerava.identity.proving import Methods, Proving, put_together
from nerava.identity.refreshing import Refreshing
from nerava.identity.revocation import Revocations
from nerava.identity.sessions import Sessions
from nerava.identity.standing import StandingDirectory
from nerava.identity.tokens import AccessTokens, TokenOptions
from nerava.identity.web_sessions import WebSessions
from nerava.integrations.issuer_keys import IssuerKeysOverHttp
from nerava.kernel.clock import SystemClock
from nerava.kernel.errors import NeravaError
from nerava.ledger import Ledger
from nerava.ledger.installing import install
from nerava.ledger.switches import SwitchBoard
from nerava.platform import policy
from nerava.platform.client_address import networks_of
from nerava.platform.cors import Cors, origins_of
from nerava.platform.cross_site import CrossSite
from nerava.platform.db import Database, EngineOptions
from nerava.platform.edge import Edge
from nerava.platform.limits import Limits
from nerava.platform.readiness import Expectations, Readiness
from nerava.platform.secrets import Secrets
from nerava.platform.vault import Vault
from nerava.privacy.erasure_list import ErasureList
from nerava.privacy.erasures import Erasures, ErasureTools
from nerava.privacy.exports import Exports
from nerava.web.api import problem_handlers
from nerava.web.api.routes import ALL_ROUTES
from nerava.web.api.throttle import Throttle
from nerava.web.api.wiring import Wiring
from nerava.worker import (
    BackgroundWork,
    audit_jobs,
    jobs,
    privacy_jobs,
    protection_jobs,
    session_jobs,
    sign_in_jobs,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.admission import Welcome
    from nerava.identity.messages import Messenger
    from nerava.kernel.clock import Clock
    from nerava.settings import Settings

THREADS_ABOVE_POOL: Final = 4
"""Worker threads beyond database connections; more would only queue for one."""


class Watch(Protocol):
    """Something that looks at the database in a thread of its own while the process serves."""

    def start(self) -> None:
        """Begin to look."""

    def stop(self) -> None:
        """End. Repeats safely."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What the processes of one installation share: its database, its ledger, its clock, its sign-ins."""

    settings: Settings
    clock: Clock
    database: Database
    ledger: Ledger
    tokens: AccessTokens
    sessions: Sessions
    secrets: Secrets
    vault: Vault
    limits: Limits
    audit: AuditLog
    switches: SwitchBoard
    desk: Desk
    exports: Exports
    erasures: Erasures

    def close(self) -> None:
        """Finish what the ledger has queued and close every connection."""
        self.ledger.close()
        self.database.close()


def open_installation(settings: Settings, clock: Clock | None = None) -> Installation:
    """Connect everything that the settings name. Creates no schema; the keys appear at first use."""
    clock = clock or SystemClock()
    wanted = settings.database
    database = Database(
        wanted.url,
        EngineOptions(
            pool_size=wanted.pool_size,
            pool_wait_ms=wanted.pool_wait_ms,
            lock_timeout_ms=wanted.lock_timeout_ms,
            statement_timeout_ms=wanted.statement_timeout_ms,
            idle_in_transaction_ms=wanted.idle_in_transaction_ms,
        ),
    )
    options = TokenOptions(
        issuer=settings.tokens.issuer,
        audience=settings.tokens.audience,
        life=timedelta(seconds=settings.tokens.life_s),
    )
    tokens = AccessTokens(KeyRing(settings.tokens.keys_directory, clock), clock, options)
    secrets = Secrets(
        settings.secrets.given(),
        clock,
        made_in=None if settings.is_strict else settings.tokens.keys_directory,
    )
    ledger, sessions = Ledger(database, clock), Sessions(tokens)
    vault, limits = Vault(secrets), Limits(database, secrets, tighter=settings.limits.tighter)
    audit = AuditLog(vault)
    switches = SwitchBoard(database)
    database.ask_before_writing(switches.require_writable)
    messages = Messages(database, vault, _messengers(settings, clock))
    listed = ErasureList(settings.erasure_list, vault)
    return Installation(
        settings=settings,
        clock=clock,
        database=database,
        ledger=ledger,
        tokens=tokens,
        sessions=sessions,
        secrets=secrets,
        vault=vault,
        limits=limits,
        audit=audit,
        switches=switches,
        desk=Desk(
            database=database,
            vault=vault,
            limits=limits,
            pepper=Pepper(secrets),
            messages=messages,
            admission=Admission(vault, limits, audit, sessions=sessions, welcome=_welcome(settings, ledger)),
            sms=SmsRules(settings.sign_in.allowed_prefixes, settings.sign_in.sms_per_day),
        ),
        exports=Exports(database, vault, limits, audit),
        erasures=Erasures(
            ErasureTools(
                database=database,
                ledger=ledger,
                vault=vault,
                limits=limits,
                audit=audit,
                sessions=sessions,
                tell=messages.notify,
                listed=listed,
            )
        ),
    )


def _messengers(settings: Settings, clock: Clock) -> dict[Channel, Messenger]:
    """Return who brings messages to people; nobody where production rules hold."""
    if settings.is_strict:
        return {}
    # Here, so that a process under production rules never loads a simulator.
    from nerava.simulators.inbox import Inbox  # noqa: PLC0415

    return dict.fromkeys(Channel, Inbox(settings.inbox_file, clock))


def _welcome(settings: Settings, ledger: Ledger) -> Welcome:
    """Return what makes a new user a driver, with an account for points."""

    def welcome(session: Session, user_id: UUID, now: datetime) -> UUID:
        install(session, ledger, settings.money.currency)
        reference = f"user:{user_id}"
        return drivers.register(session, ledger, [reference], now)[reference]

    return welcome


def apply_stops(installation: Installation) -> None:
    """Turn on the kill switches that the settings name; repeats safely and turns none off."""
    switching = Switching(installation.database, installation.audit, installation.switches)
    switching.apply_at_start(installation.settings.stops, installation.clock.now())


def background_of(installation: Installation) -> BackgroundWork:
    """Return the background work of an installation, not yet started."""
    wanted = installation.settings.worker
    work = [
        *sign_in_jobs(installation.database, installation.desk.messages),
        *jobs(installation.database, installation.ledger, wanted),
        *protection_jobs(installation.database, installation.vault, installation.limits),
        *privacy_jobs(installation.exports, installation.erasures),
        *session_jobs(installation.database),
        *audit_jobs(installation.database, installation.secrets),
    ]
    return BackgroundWork(work, installation.clock, wanted)


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
        installation.database, installation.clock, Expectations(schema_head=head, data_folder=folder)
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
        lifespan=_lifespan(installation, (readiness, revocations), background, close=mine),
    )
    app.router.routes[:] = ALL_ROUTES
    policy.compare(policy.walk(app.router.routes), reviewed_policies())
    app.state.wiring = _wiring_of(installation, readiness, key_mode, head)
    app.state.guard = _guard_of(installation, revocations, KeyRules(key_mode, trusted_proxies))
    throttle = Throttle(installation.limits, installation.clock, trusted_proxies)
    app.state.throttle = throttle if settings.limits_api else policy.Unthrottled()
    app.state.readiness = readiness
    app.add_exception_handler(NeravaError, problem_handlers.on_refusal)
    app.add_exception_handler(RequestValidationError, problem_handlers.on_invalid_input)
    app.add_exception_handler(HTTPException, problem_handlers.on_http_exception)
    app.add_middleware(
        Edge,
        requests_max=settings.server.requests_max,
        cors=Cors(origins_of(settings.server.cors_origins)),
    )
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
        sessions=installation.sessions,
        refreshing=Refreshing(
            installation.database,
            installation.sessions,
            installation.secrets,
            installation.limits,
            notify=installation.desk.messages.notify,
        ),
        issuer=settings.tokens.issuer.rstrip("/"),
        trusted_proxies=networks_of(settings.server.trusted_proxies),
        key_mode=key_mode,
        secrets=installation.secrets,
        vault=installation.vault,
        limits=installation.limits,
        audit=installation.audit,
        switches=installation.switches,
        codes=Codes(installation.desk),
        links=Links(installation.desk, settings.link_page),
        exports=installation.exports,
        erasures=installation.erasures,
        proving=proving_of(installation),
        readiness=readiness,
        currency=settings.money.currency,
        build=__version__,
        schema_head=schema_head,
    )


def proving_of(installation: Installation) -> Proving:
    """Return what people prove themselves with here, beyond codes and links."""
    settings = installation.settings
    named = {Provider.GOOGLE: settings.google, Provider.APPLE: settings.apple}
    issuers = {
        provider: Issuer(
            provider,
            frozenset(settings_of.clients),
            IssuerKeys(IssuerKeysOverHttp(settings_of.keys_url or KEYS_AT[provider])),
        )
        for provider, settings_of in named.items()
        if settings_of.clients
    }
    domain, origins = settings.passkeys_for
    methods = Methods(
        party=RelyingParty(domain, origins) if domain else None,
        issuers=issuers,
        ops_links=not settings.is_strict,
    )
    return put_together(installation.desk, installation.sessions, installation.audit, methods)


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
    return RouteGuard(tokens, pages)


def _own_origins(settings: Settings) -> set[str]:
    """Return where our own pages are: the installation's address, while developing this machine as well."""
    address = urlsplit(settings.tokens.issuer)
    here = {f"http://{host}:{settings.server.port}" for host in ("127.0.0.1", "localhost")}
    return {f"{address.scheme}://{address.netloc}"} | (set() if settings.is_strict else here)


def reviewed_policies() -> str:
    """Return the table of who may call what, as it was reviewed."""
    return resources.files("nerava").joinpath("policy.toml").read_text("utf-8")


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
