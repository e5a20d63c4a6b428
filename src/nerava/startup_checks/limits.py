"""Limits: on in production, and of callers who are told apart; the settings check their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.platform.client_address import networks_of
from nerava.startup_checks.findings import Finding

if TYPE_CHECKING:
    from nerava.settings import Settings


def limits(settings: Settings) -> list[Finding]:
    """Find limits that are switched off."""
    if settings.is_strict and settings.limits.api is False:
        return [Finding("NERAVA_LIMITS__API", "must not be off in production")]
    return []


def proxies(settings: Settings) -> list[Finding]:
    """Find a list of proxies that trusts the whole Internet, so that callers could name their own address."""
    if settings.is_strict and any(one.prefixlen == 0 for one in networks_of(settings.server.trusted_proxies)):
        return [Finding("NERAVA_SERVER__TRUSTED_PROXIES", "must name your proxies, not everybody")]
    return []
