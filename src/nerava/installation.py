"""What every process of one installation is put together from, whether it serves, works or is a command."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nerava.audit import AuditLog
from nerava.audit.switching import Switching
from nerava.connections import (
    cache_of,
    crm_jobs,
    crm_of,
    database_of,
    intake_of,
    readers_of,
    relay_of,
    roaming_jobs,
    roaming_of,
    smartcar_of,
    stripe_of,
    vehicle_jobs,
    vehicles_of,
)
from nerava.directories import directories_of
from nerava.drivers import service as drivers
from nerava.guarding import audit_jobs, watch_jobs
from nerava.identity.admission import Admission
from nerava.identity.asking import Desk, SmsRules
from nerava.identity.endpoint_notices import EndpointNotice
from nerava.identity.issuer_keys import IssuerKeys
from nerava.identity.keys import KeyRing
from nerava.identity.messages import Messages
from nerava.identity.oidc import KEYS_AT, Issuer, Provider
from nerava.identity.one_time import Pepper
from nerava.identity.passkeys import RelyingParty
from nerava.identity.proving import Methods, Proving, put_together
from nerava.identity.sessions import Sessions
from nerava.identity.tokens import AccessTokens, TokenOptions
from nerava.inbound.work import EventWork
from nerava.integrations.issuer_keys import IssuerKeysOverHttp
from nerava.integrations.smartcar.events import smartcar_handlers
from nerava.kernel.clock import SystemClock
from nerava.ledger import Ledger
from nerava.ledger.installing import install
from nerava.ledger.switches import SwitchBoard
from nerava.measuring import measure, meter_of, observer_of, rounds_of
from nerava.merchants.board import Board
from nerava.merchants.claims import ClaimRules
from nerava.merchants.codes import SecretCodes
from nerava.merchants.redeeming import Redeeming
from nerava.messaging import Messaging, messaging_of
from nerava.passing import pass_jobs, passes_of
from nerava.payouts.events import payout_handlers
from nerava.payouts.rules import PayoutRules
from nerava.payouts.service import Payouts
from nerava.platform.clock_keeping import ClockKeeper
from nerava.platform.limits import Limits
from nerava.platform.outbound import PausesInDatabase, Surroundings
from nerava.platform.secrets import Secrets
from nerava.platform.vault import Vault
from nerava.privacy.erasure_list import ErasureList
from nerava.privacy.erasures import Erasures, ErasureTools
from nerava.privacy.exports import Exports
from nerava.privacy.retention import Retention
from nerava.rewards.checkouts import CheckoutWork
from nerava.rewards.disputes import DisputeWork
from nerava.rewards.payment_events import payment_handlers
from nerava.rewards.sponsor_refunds import RefundWork
from nerava.selling import Selling, selling_of
from nerava.settlements.closing import Closing
from nerava.settlements.dunning import Reminding
from nerava.settlements.paying import Paying
from nerava.web.watching import book_proving_of, watching_of
from nerava.worker import (
    MINUTELY,
    BackgroundWork,
    Job,
    after_grant_jobs,
    campaign_jobs,
    inbound_jobs,
    jobs,
    outbox_jobs,
    payment_jobs,
    payout_jobs,
    privacy_jobs,
    protection_jobs,
    session_jobs,
    settlement_jobs,
    sign_in_jobs,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.crm.ports import Crm
    from nerava.directories import Directories
    from nerava.identity.admission import Welcome
    from nerava.inbound.events import Handler
    from nerava.inbound.intake import Intake
    from nerava.integrations.ocpi.connection import Roaming
    from nerava.integrations.smartcar.connection import Smartcar, SmartcarV2
    from nerava.integrations.stripe.connection import Stripe
    from nerava.kernel.clock import Clock
    from nerava.outbox.relay import Relay
    from nerava.passes.keeping import Passes
    from nerava.payouts.ports import PayoutProvider
    from nerava.platform.cache import Cache
    from nerava.platform.db import Database
    from nerava.platform.metrics.meter import Meter
    from nerava.rewards.ports import PaymentProvider
    from nerava.settings import Settings
    from nerava.vehicles.service import Vehicles

NOT_KEPT: Final = frozenset({"smartcar"})
"""Providers whose events say where people are: nothing of them is left when they are done."""


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
    stripe: Stripe | None
    paid_by: PayoutProvider | None
    payments: PaymentProvider | None
    roaming: Roaming | None
    intake: Intake
    cache: Cache
    surroundings: Surroundings
    relay: Relay
    messaging: Messaging
    crm: Crm | None
    passes: Passes
    directories: Directories
    smartcar: Smartcar | SmartcarV2 | None
    vehicles: Vehicles | None
    selling: Selling
    meter: Meter | None

    def close(self) -> None:
        """Finish what the ledger has queued and close every connection."""
        self.relay.close()
        self.messaging.close()
        if self.crm is not None:
            self.crm.close()
        self.passes.close()
        self.ledger.close()
        if self.stripe is not None:
            self.stripe.close()
        self.directories.close()
        if self.smartcar is not None:
            self.smartcar.close()
        self.selling.close()
        self.cache.close()
        if self.roaming is not None:
            self.roaming.close()
        self.database.close()


def open_installation(settings: Settings, clock: Clock | None = None) -> Installation:
    """Connect everything that the settings name. Creates no schema; the keys appear at first use."""
    clock = clock or SystemClock()
    database, meter = database_of(settings, clock), meter_of(settings)
    tokens = AccessTokens(KeyRing(settings.tokens.keys_directory, clock), clock, _token_options(settings))
    secrets = _secrets_of(settings, clock)
    ledger, sessions = Ledger(database, clock, meter=meter), Sessions(tokens)
    vault, limits = Vault(secrets), Limits(database, secrets, tighter=settings.limits.tighter)
    audit, switches = AuditLog(vault), SwitchBoard(database)
    database.ask_before_writing(switches.require_writable)
    surroundings = Surroundings(
        observe=observer_of(meter), pauses=PausesInDatabase(database), calls=settings.outbound.policies
    )
    messaging = messaging_of(settings, clock, surroundings)
    messages, cache = Messages(database, vault, messaging.messengers), cache_of(settings, clock)
    stripe, smartcar = stripe_of(settings, clock, surroundings), smartcar_of(settings, clock, surroundings)
    selling = selling_of(settings, (database, ledger, vault, secrets), (audit, messages), clock, surroundings)
    measure(meter, (database, clock), ledger, cache, surroundings.healths)
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
            keeper=messaging.keeper,
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
                listed=ErasureList(settings.erasure_list, vault),
            )
        ),
        stripe=stripe,
        paid_by=None if stripe is None else stripe.payouts,
        payments=None if stripe is None else stripe.payments,
        intake=intake_of(database, vault, stripe, smartcar, {**messaging.receivers, **selling.receivers}),
        smartcar=smartcar,
        vehicles=vehicles_of(smartcar, database, vault, audit, messages),
        selling=selling,
        messaging=messaging,
        crm=crm_of(settings, clock, surroundings),
        passes=passes_of(settings, (database, vault, limits), clock, surroundings, meter),
        roaming=roaming_of(settings, database, vault, clock, surroundings),
        cache=cache,
        surroundings=surroundings,
        relay=relay_of(settings, database, vault, clock, EndpointNotice(messages.notify, audit)),
        meter=meter,
        directories=directories_of(settings, database, clock, cache=cache, surroundings=surroundings),
    )


def _secrets_of(settings: Settings, clock: Clock) -> Secrets:
    made_in = None if settings.is_strict else settings.tokens.keys_directory
    return Secrets(settings.own_secrets(clock), clock, made_in=made_in)


def _token_options(settings: Settings) -> TokenOptions:
    wanted = settings.tokens
    return TokenOptions(wanted.issuer, wanted.audience, timedelta(seconds=wanted.life_s))


def event_handlers(installation: Installation) -> Mapping[str, Mapping[str, Handler]]:
    """Return who works on which events, by provider and the beginning of the kind."""
    database, vehicles = installation.database, installation.vehicles
    return {
        "stripe": {**payment_handlers(database), **payout_handlers(database)},
        "smartcar": {} if vehicles is None else smartcar_handlers(vehicles.hearing),
        **installation.messaging.handlers(database),
        **installation.selling.handlers,
    }


def _payment_work(installation: Installation) -> Sequence[Job]:
    stripe, address = installation.stripe, installation.settings.address
    providers = {} if stripe is None else {stripe.payments.name: stripe.payments}
    database, ledger = installation.database, installation.ledger
    return payment_jobs(
        CheckoutWork(database, ledger, providers, return_url=f"{address}/sponsor"),
        RefundWork(database, ledger, providers),
        DisputeWork(database, ledger, providers),
    )


def _settlement_work(installation: Installation) -> Sequence[Job]:
    database, ledger = installation.database, installation.ledger
    notify, minimum = installation.desk.messages.notify, installation.settings.payouts.merchant_minimum_minor
    return settlement_jobs(
        Closing(database, ledger, notify),
        Paying(database, ledger, minimum, notify),
        Reminding(database, installation.audit, notify),
    )


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
    rounds = rounds_of(installation.database, installation.meter)
    return BackgroundWork(jobs_of(installation), installation.clock, installation.settings.worker, rounds)


def jobs_of(installation: Installation) -> Sequence[Job]:
    """Return every job of an installation, the most urgent of each share first."""
    wanted, allowed = installation.settings.worker, installation.settings.hubspot.allowed
    events = EventWork(
        installation.database, installation.vault, event_handlers(installation), wiped_when_done=NOT_KEPT
    )
    keeper = ClockKeeper(installation.database, installation.clock)
    return (
        Job("keep the clock with the database's", MINUTELY, keeper.run),
        *sign_in_jobs(installation.database, installation.desk.messages),
        *jobs(installation.database, installation.ledger, wanted),
        *after_grant_jobs(installation.database, installation.ledger, wanted),
        *protection_jobs(installation.database, installation.vault, installation.limits),
        *privacy_jobs(installation.exports, installation.erasures, Retention(installation.database)),
        *session_jobs(installation.database),
        *vehicle_jobs(installation.database, installation.vehicles),
        *inbound_jobs(events),
        *installation.selling.jobs,
        *outbox_jobs(
            installation.database, installation.relay, readers_of(installation.crm, installation.passes)
        ),
        *crm_jobs(installation.database, installation.vault, installation.crm, allowed),
        *pass_jobs(installation.passes),
        *payout_jobs(payouts_of(installation)),
        *campaign_jobs(installation.database, installation.audit),
        *_payment_work(installation),
        *_settlement_work(installation),
        *roaming_jobs(installation.roaming),
        *installation.directories.jobs(),
        *audit_jobs(installation.database, installation.secrets),
        *watch_jobs(
            watching_of(installation.database, installation.audit, installation.switches),
            book_proving_of(installation.database, installation.audit, installation.switches),
        ),
    )


def payouts_of(installation: Installation) -> Payouts:
    """Return how people are paid in this process."""
    wanted = installation.settings.payouts
    return Payouts(
        database=installation.database,
        ledger=installation.ledger,
        clock=installation.clock,
        limits=installation.limits,
        currency=installation.settings.money.currency,
        provider=installation.paid_by,
        rules=PayoutRules(wanted.fee_minor, wanted.day_max_minor),
    )


def redeeming_of(installation: Installation) -> Redeeming:
    """Return how codes are made, kept in mind and limited in this process."""
    wanted = installation.settings.redeeming
    return Redeeming(
        board=Board(installation.database),
        codes=SecretCodes(installation.secrets),
        code_life=timedelta(seconds=wanted.code_life_s),
        claim_rules=ClaimRules(wanted.claim_distance_m, timedelta(seconds=wanted.claim_fresh_s)),
        claim_fee_minor=wanted.claim_fee_minor,
        counts_codes=installation.settings.limits_api,
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
