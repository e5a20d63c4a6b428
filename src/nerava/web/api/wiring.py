"""What endpoints reach for: the services that the composition root has put together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request

from nerava.platform.policy import GuardedRoute

if TYPE_CHECKING:
    from nerava.audit import AuditLog
    from nerava.discovery.enriching import PlaceEnrichment
    from nerava.discovery.map_files import MapFiles
    from nerava.discovery.refreshing import ThinAreas
    from nerava.identity.api_key_text import Mode
    from nerava.identity.challenges import Codes
    from nerava.identity.invites import Invites
    from nerava.identity.keys import KeyRing
    from nerava.identity.links import Links
    from nerava.identity.proving import Proving
    from nerava.identity.refreshing import Refreshing
    from nerava.identity.sessions import Sessions
    from nerava.identity.tokens import AccessTokens
    from nerava.inbound.intake import Intake
    from nerava.integrations.ocpi.connection import Roaming
    from nerava.kernel.clock import Clock
    from nerava.ledger import Ledger
    from nerava.ledger.switches import SwitchBoard
    from nerava.merchants.redeeming import Redeeming
    from nerava.outbox.endpoints import Endpoints
    from nerava.passes.keeping import Passes
    from nerava.payouts.service import Payouts
    from nerava.platform.client_address import Network
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits
    from nerava.platform.metrics.access import OperatorToken
    from nerava.platform.metrics.meter import Meter
    from nerava.platform.readiness import Readiness
    from nerava.platform.secrets import Secrets
    from nerava.platform.vault import Vault
    from nerava.privacy.erasures import Erasures
    from nerava.privacy.exports import Exports
    from nerava.privacy.holds import Holds
    from nerava.rewards.ports import PaymentProvider
    from nerava.tills.service import Tills
    from nerava.vehicles.service import Vehicles
    from nerava.web.wallets import Wallets


@dataclass(frozen=True, slots=True)
class Wiring:
    """The services of this process.

    Attributes:
        address: Where people reach this installation.
        trusted_proxies: Whose `X-Forwarded-For` is believed.
        key_mode: Of the API keys that are made and let in here.
        app_url: Where drivers are sent on to who come back from a provider; None shows a page.
        till_app_url: The same for people of merchants who link a point of sale.
        meter: What this process measures with; None where nothing is measured.
        operator: Opens `/metrics` and the map of `/readyz`.
        currency: The operator's currency; one Nova is one minor unit of it.
        build: The version of the product, and `schema_head` the newest migration it knows.
    """

    database: Database
    ledger: Ledger
    clock: Clock
    keys: KeyRing
    tokens: AccessTokens
    sessions: Sessions
    refreshing: Refreshing
    address: str
    trusted_proxies: tuple[Network, ...]
    key_mode: Mode
    secrets: Secrets
    vault: Vault
    limits: Limits
    audit: AuditLog
    switches: SwitchBoard
    codes: Codes
    links: Links
    invites: Invites
    exports: Exports
    erasures: Erasures
    holds: Holds
    proving: Proving
    redeeming: Redeeming
    wallets: Wallets
    payouts: Payouts
    passes: Passes
    intake: Intake
    endpoints: Endpoints
    payments: PaymentProvider | None
    roaming: Roaming | None
    vehicles: Vehicles | None
    tills: Tills | None
    readiness: Readiness
    meter: Meter | None
    operator: OperatorToken
    maps: MapFiles
    thin_areas: ThinAreas
    enrichment: PlaceEnrichment
    app_url: str | None
    till_app_url: str | None
    currency: str
    build: str
    schema_head: str | None


def wiring_of(request: Request) -> Wiring:
    """Return the services of this process; for the busiest endpoints, `Wired` for all others."""
    found = request.app.state.wiring
    if not isinstance(found, Wiring):
        raise AssertionError("the composition root wires the app before it serves")
    return found


async def _wired(request: Request) -> Wiring:
    return wiring_of(request)


Wired = Annotated[Wiring, Depends(_wired)]
"""The services of this process."""


async def _now(wired: Wired) -> datetime:
    return wired.clock.now()


Now = Annotated[datetime, Depends(_now)]
"""The instant of the request, aware UTC."""


def router(tag: str, prefix: str = "/v1") -> APIRouter:
    """Return a router whose routes are guarded; its routes are mounted one by one, without nesting."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=GuardedRoute)
