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


def sign_in_addresses(settings: Settings) -> list[Finding]:
    """Find links, passkeys and keys of issuers that rely on this machine or on plain http.

    The settings allow it to developers. Origins of passkeys are of their domain, and https for
    every domain but `localhost`, so that the domain is all there is to look at.
    """
    if not settings.is_strict:
        return []
    domain = settings.passkeys.domain
    relied_on = {
        "NERAVA_SIGN_IN__LINK_PAGE": settings.sign_in.link_page,
        "NERAVA_PASSKEYS__DOMAIN": domain and f"https://{domain}",
        "NERAVA_GOOGLE__KEYS_URL": settings.google.keys_url,
        "NERAVA_APPLE__KEYS_URL": settings.apple.keys_url,
        "NERAVA_SMARTCAR__REDIRECT_URI": settings.smartcar.redirect_uri,
        "NERAVA_SQUARE__REDIRECT_URI": settings.square.redirect_uri,
    }
    found = ((name, problem_of(address)) for name, address in relied_on.items() if address)
    return [Finding(name, problem) for name, problem in found if problem]


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
