"""The providers that an installation is connected to, put together from its settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nerava.charging.telemetry import close_stale, observer
from nerava.crm.reading import READER as CRM_READER
from nerava.crm.work import CrmWork
from nerava.inbound.intake import Intake
from nerava.integrations.hubspot.api import HubSpot, HubSpotAccess
from nerava.integrations.hubspot.rehearsing import Rehearsal
from nerava.integrations.ocpi.connection import Roaming
from nerava.integrations.ocpi.handshake import Own
from nerava.integrations.smartcar.connection import Smartcar, SmartcarAccess, SmartcarV2
from nerava.integrations.stripe.connection import Stripe, StripeAccess
from nerava.outbox import deliveries
from nerava.outbox.endpoints import Endpoints
from nerava.outbox.relay import HttpSender, Relay, RelayTools
from nerava.passes.work import READER as PASSES_READER
from nerava.platform.cache import Cache
from nerava.platform.db import Database, EngineOptions
from nerava.vehicles.service import Vehicles
from nerava.worker import AT_ONCE, EVENTS, HOURLY, MINUTELY, PROVIDERS, SECONDLY, Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nerava.audit import AuditLog
    from nerava.crm.ports import Crm
    from nerava.identity.endpoint_notices import EndpointNotice
    from nerava.identity.messages import Messages
    from nerava.inbound.events import Challenge, Receiver
    from nerava.kernel.clock import Clock
    from nerava.passes.keeping import Passes
    from nerava.platform.outbound import Surroundings
    from nerava.platform.vault import Vault
    from nerava.settings import Settings

VEHICLE_RETURN_PATH: Final = "/vehicles/return"
"""The page of ours to which providers of vehicle data send people back."""

THIRD: Final = 3
POLLED_EVERY: Final = timedelta(minutes=30)
ASKED_ANYWAY_EVERY: Final = timedelta(hours=12)
"""A car that does not charge, where the provider tells by itself: what it forgets to tell is found."""


def stripe_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> Stripe | None:
    """Return the connection to Stripe; None where it is off."""
    given = settings.stripe
    if given.mode == "off" or given.key is None:
        return None
    access = StripeAccess(
        key=settings.live("stripe.key", clock) or "",
        secrets=settings.live("stripe.webhook_secrets", clock) or (),
        connect_secrets=settings.live("stripe.connect_webhook_secrets", clock) or (),
        base_url=given.base_url,
        is_live=given.mode == "live",
    )
    return Stripe(access, now=clock.now, surroundings=surroundings)


def smartcar_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> Smartcar | SmartcarV2 | None:
    """Return the connection to Smartcar, in the version that is set; None where it is off."""
    given = settings.smartcar
    if given.mode == "off" or given.client_id is None or given.client_secret is None:
        return None
    access = SmartcarAccess(
        client_id=given.client_id,
        client_secret=settings.live("smartcar.client_secret", clock) or "",
        redirect_uri=given.redirect_uri or f"{settings.address}{VEHICLE_RETURN_PATH}",
        webhook_tokens=settings.live("smartcar.webhook_secrets", clock) or (),
        base_url=given.base_url,
        asks_live=given.mode != "sandbox",
        webhook_id=given.webhook_id,
    )
    return (Smartcar if given.version == THIRD else SmartcarV2)(
        access, now=clock.now, surroundings=surroundings
    )


def vehicles_of(
    smartcar: Smartcar | SmartcarV2 | None,
    database: Database,
    vault: Vault,
    audit: AuditLog,
    messages: Messages,
) -> Vehicles | None:
    """Return how cars are connected, read and heard here; None where nobody reads them."""
    if smartcar is None:
        return None
    sink = observer(POLLED_EVERY if smartcar.tokens_per_person else ASKED_ANYWAY_EVERY)
    return Vehicles.of(
        smartcar,
        database=database,
        vault=vault,
        audit=audit,
        sink=sink,
        tell=messages.notify,
        subscriptions=smartcar.subscriptions,
    )


def intake_of(
    database: Database,
    vault: Vault,
    stripe: Stripe | None,
    smartcar: Smartcar | SmartcarV2 | None,
    others: Mapping[str, Receiver],
) -> Intake:
    """Return the door for what providers tell; a provider without a secret is off."""
    receivers: dict[str, Receiver] = dict(others)
    if stripe is not None:
        receivers["stripe"] = stripe.events
    challenges: dict[str, Challenge] = {}
    if smartcar is not None and smartcar.events.is_on:
        receivers["smartcar"], challenges["smartcar"] = smartcar.events, smartcar.events.challenge
    return Intake(database, vault, receivers, challenges)


def crm_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> Crm | None:
    """Return the customer records that are kept elsewhere; None where they are off."""
    given = settings.hubspot
    if given.mode == "off" or given.token is None or given.portal is None:
        return None
    if given.dry_run:
        return Rehearsal(clock.now)
    token = settings.live("hubspot.token", clock) or ""
    access = HubSpotAccess(token, given.portal, given.timezone, given.api_version, given.base_url)
    return HubSpot(access, now=clock.now, surroundings=surroundings)


def crm_jobs(database: Database, vault: Vault, crm: Crm | None, allowed: frozenset[str]) -> Sequence[Job]:
    """Return the jobs that keep customer records elsewhere; none where they are off."""
    if crm is None:
        return ()
    work = CrmWork(database, vault, crm, allowed)
    return (
        Job("queue events for customer records", AT_ONCE, work.read, EVENTS),
        Job("bring customer records up to date", SECONDLY, work.send, PROVIDERS),
        Job("look who is in customer records without agreeing", HOURLY, work.keep_house),
    )


def vehicle_jobs(database: Database, vehicles: Vehicles | None) -> Sequence[Job]:
    """Return the jobs that read cars and end their charges; without a provider what is open still ends."""
    stale = Job("end charges that fell silent", MINUTELY, lambda now: close_stale(database, now))
    if vehicles is None:
        return (stale,)
    reading, subscribing = vehicles.reading, vehicles.subscribing
    subscriptions = (
        ()
        if subscribing is None
        else (Job("say which cars to tell of", MINUTELY, subscribing.run, PROVIDERS),)
    )
    return (
        *subscriptions,
        Job("look up cars that were connected", AT_ONCE, vehicles.discovering.run, PROVIDERS),
        Job("read cars", AT_ONCE, reading.run, PROVIDERS),
        Job("tell providers which cars are gone", MINUTELY, reading.farewells, PROVIDERS),
        stale,
    )


def roaming_of(
    settings: Settings, database: Database, vault: Vault, clock: Clock, surroundings: Surroundings
) -> Roaming | None:
    """Return the connection to charging networks by OCPI; None where it is off."""
    given = settings.ocpi
    if given.mode == "off" or given.country_code is None or given.party_id is None:
        return None
    address = (given.public_url or settings.address).rstrip("/")
    return Roaming(
        database,
        vault,
        clock,
        Own(given.country_code, given.party_id, given.name, address),
        local=given.mode == "simulator",
        needs_location=given.authorize_needs_location,
        surroundings=surroundings,
    )


def readers_of(crm: Crm | None, passes: Passes) -> Sequence[str]:
    """Return the readers of ours whom events wait for."""
    known = {CRM_READER: crm is not None, PASSES_READER: bool(passes.offered)}
    return (deliveries.READER, *(name for name, reads in known.items() if reads))


def database_of(settings: Settings, clock: Clock) -> Database:
    """Return the database, not yet connected."""
    wanted = settings.database
    return Database(
        wanted.address,
        EngineOptions(
            pool_size=wanted.pool_size,
            pool_wait_ms=wanted.pool_wait_ms,
            lock_timeout_ms=wanted.lock_timeout_ms,
            statement_timeout_ms=wanted.statement_timeout_ms,
            idle_in_transaction_ms=wanted.idle_in_transaction_ms,
            password=settings.live("database.password", clock),
        ),
    )


def roaming_jobs(roaming: Roaming | None) -> Sequence[Job]:
    """Return the jobs that follow what charging networks say by OCPI; none where it is not set up."""
    if roaming is None:
        return ()
    return (
        Job("work on what charging networks told", AT_ONCE, roaming.work.run),
        Job("tell charging networks about tokens", SECONDLY, roaming.pushing.run, PROVIDERS),
        Job("read what charging networks have", SECONDLY, roaming.pulling.run, PROVIDERS),
    )


def cache_of(settings: Settings, clock: Clock) -> Cache:
    """Return the cache; in this process alone where there is no Redis."""
    return Cache(now=clock.now, redis_url=settings.live("redis.url", clock))


def relay_of(
    settings: Settings, database: Database, vault: Vault, clock: Clock, notice: EndpointNotice
) -> Relay:
    """Return what brings events to webhooks of companies."""
    endpoints = Endpoints(vault, allows_local=not settings.is_strict)
    sender = HttpSender(endpoints.is_local, clock.now)
    return Relay(RelayTools(database, endpoints, clock, sender, notice))
