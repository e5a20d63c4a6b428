"""Providers: none simulated in production, none that moves real money outside, each at its own address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import urlsplit

from nerava.settings import DELIMITER, PREFIX, Group
from nerava.startup_checks.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nerava.settings import Settings

HOSTS: Final = {
    "stripe": ("api.stripe.com",),
    "twilio": ("api.twilio.com",),
    "ses": (".amazonaws.com",),
    "sendgrid": ("api.sendgrid.com", "api.eu.sendgrid.com"),
    "hubspot": ("api.hubapi.com",),
    "apple_wallet": ("api.push.apple.com",),
    "google_wallet": ("walletobjects.googleapis.com",),
    "nlr": ("developer.nlr.gov",),
    "ocm": ("api.openchargemap.io",),
    "places": ("places.googleapis.com",),
    "smartcar": (),
    "square": ("connect.squareup.com", "connect.squareupsandbox.com"),
    "watttime": ("api.watttime.org",),
    "emaps": ("api.electricitymaps.com",),
    "eia": ("api.eia.gov",),
    "urdb": ("api.openei.org",),
}
"""By group, where its provider is; behind a dot, a domain. Our secrets are sent nowhere else."""

HEARD: Final = dict.fromkeys(("stripe", "smartcar", "square"), "webhook_secrets")
"""Providers whose events we rely on, and the setting with which they are checked."""


def providers(settings: Settings) -> list[Finding]:
    """Find a provider in a mode that is none of this profile's, or at an address that is not its own."""
    found: list[Finding] = []
    if settings.is_strict and settings.grid.files == "moved":
        moved = "must not be moved: what is shown as of today was recorded years ago"
        found.append(Finding(f"{PREFIX}GRID{DELIMITER}FILES", moved))
    for name, group in _groups(settings):
        variable = f"{PREFIX}{name.upper()}{DELIMITER}"
        problem = _mode(settings, name, group)
        if problem is not None:
            found.append(Finding(f"{variable}MODE", problem))
        elif settings.is_strict:
            found += _address(variable, name, getattr(group, "base_url", None))
            if _is_on(group) and name in HEARD and getattr(group, HEARD[name]) is None:
                setting = f"{variable}{HEARD[name].upper()}"
                found.append(Finding(setting, "must be set: without it nothing is heard from the provider"))
    return found


def _mode(settings: Settings, name: str, group: Group) -> str | None:
    mode = getattr(group, "mode", None)
    if settings.is_strict and mode == "simulator":
        return "must not be the simulator"
    if settings.env == "production" and mode == "sandbox":
        return "must not be the sandbox: what it says never happened"
    if settings.env != "production" and mode == "live" and _has_sandbox(group):
        return f"live is for production alone; {name} has a sandbox"
    return None


def _address(variable: str, name: str, url: str | None) -> list[Finding]:
    if url is None:
        return []
    if url.startswith("http://"):
        return [Finding(f"{variable}BASE_URL", "must begin with https://")]
    host = urlsplit(url).hostname or ""
    if any(host == own or (own.startswith(".") and host.endswith(own)) for own in HOSTS.get(name, ())):
        return []
    return [Finding(f"{variable}BASE_URL", "must be the provider's own; our secrets go nowhere else")]


def _groups(settings: Settings) -> Iterator[tuple[str, Group]]:
    for name in type(settings).model_fields:
        group = getattr(settings, name)
        if isinstance(group, Group):
            yield name, group


def _is_on(group: Group) -> bool:
    return getattr(group, "mode", "off") != "off"


def _has_sandbox(group: Group) -> bool:
    modes: Any = get_args(type(group).model_fields["mode"].annotation)
    return "sandbox" in modes
