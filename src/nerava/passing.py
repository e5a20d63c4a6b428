"""Composition of passes in the wallets of phones: who brings them there, and the work behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.integrations.apple_wallet.api import AppleWallet
from nerava.integrations.apple_wallet.files import Issuer
from nerava.integrations.google_wallet.account import TOKEN_URL, ServiceAccount
from nerava.integrations.google_wallet.api import GoogleWallet
from nerava.integrations.google_wallet.objects import Program
from nerava.passes.keeping import Passes
from nerava.passes.work import PassWork
from nerava.platform.metrics import catalogue as metrics
from nerava.platform.metrics.sample import Sample
from nerava.worker import AT_ONCE, EVENTS, PROVIDERS, SECONDLY, Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits
    from nerava.platform.metrics.meter import Meter
    from nerava.platform.outbound import Surroundings
    from nerava.platform.vault import Vault
    from nerava.settings import Settings

APPLE_PASSES = "apple_wallet"
"""How the metric about certificates names the one that signs passes."""


def passes_of(
    settings: Settings,
    stores: tuple[Database, Vault, Limits],
    clock: Clock,
    surroundings: Surroundings,
    meter: Meter | None,
) -> Passes:
    """Return the passes of this installation; where both kinds are off, old ones still end."""
    database, vault, limits = stores
    apple = _apple_of(settings, clock, surroundings)
    if meter is not None and apple is not None:
        ends_at = apple.expires_at.timestamp()

        def tell() -> Iterator[Sample]:
            yield Sample(metrics.CERTIFICATE_ENDS, (APPLE_PASSES,), ends_at)

        meter.add_reading(tell)
    return Passes(
        database=database,
        vault=vault,
        limits=limits,
        apple=apple,
        google=_google_of(settings, clock, surroundings),
        address=settings.address,
    )


def pass_jobs(passes: Passes) -> Sequence[Job]:
    """Return the jobs that bring passes up to date."""
    work = PassWork(passes)
    telling = Job("tell phones of passes that changed", SECONDLY, work.tell, PROVIDERS)
    if not passes.offered:
        return (telling,)
    return (Job("look which passes changed", AT_ONCE, work.read, EVENTS), telling)


def _apple_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> AppleWallet | None:
    given = settings.apple_wallet
    if given.mode == "off" or given.pass_type is None or given.team is None:
        return None
    issuer = Issuer(given.pass_type, given.team, given.organization)
    return AppleWallet(
        issuer, given.paper(), now=clock.now, base_url=given.base_url, surroundings=surroundings
    )


def _google_of(settings: Settings, clock: Clock, surroundings: Surroundings) -> GoogleWallet | None:
    given = settings.google_wallet
    key = settings.live("google_wallet.key", clock)
    if given.mode == "off" or given.issuer_id is None or given.account is None or key is None:
        return None
    token_url = TOKEN_URL if given.base_url is None else f"{given.base_url.rstrip('/')}/token"
    account = ServiceAccount(
        given.account, key, now=clock.now, token_url=token_url, surroundings=surroundings
    )
    program = Program(given.issuer_id, given.class_name, given.organization, given.logo_url or "")
    return GoogleWallet(
        program,
        account,
        now=clock.now,
        origins=given.pages,
        base_url=given.base_url,
        surroundings=surroundings,
    )
