"""Addresses that others rely on, our own and those of sites that call us: https, and reachable."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from nerava.platform.cors import origins_of
from nerava.startup_checks.findings import Finding

if TYPE_CHECKING:
    from nerava.settings import Settings

_LOCAL_NAMES: Final = ("localhost", "local", "internal", "localdomain", "lan", "home.arpa")


def issuer_address(settings: Settings) -> list[Finding]:
    """Find an issuer that is no public https address; others fetch our keys below it."""
    if not settings.is_strict:
        return []
    problem = problem_of(settings.tokens.issuer)
    return [Finding("NERAVA_TOKENS__ISSUER", problem)] if problem else []


def browser_origins(settings: Settings) -> list[Finding]:
    """Find another web site that may call the API over plain http; the settings allow it to developers."""
    if settings.is_strict and any(
        origin.startswith("http://") for origin in origins_of(settings.server.cors_origins)
    ):
        return [Finding("NERAVA_SERVER__CORS_ORIGINS", "must name https origins only")]
    return []


def problem_of(address: str) -> str | None:
    """Say what keeps an address from being a public https one; None when nothing does."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".") if parts.port != 0 else ""
    except ValueError:
        return "must be an https address"
    if not host:
        return "must be an https address"
    if parts.scheme != "https":
        return "must begin with https://"
    if parts.username is not None or parts.password is not None:
        return "must not carry a user name or password"
    if parts.query or parts.fragment:
        return "must not carry a query or fragment"
    return "must be a host that others can reach" if _is_private(host) else None


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        labels = host.lower()
        return any(labels == name or labels.endswith(f".{name}") for name in _LOCAL_NAMES) or "." not in host
