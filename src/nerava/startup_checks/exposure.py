"""Routes that production must not have, looked for in the reviewed table of who may call what."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Final

from nerava.startup_checks.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nerava.settings import Settings

_FORBIDDEN: Final = {
    "docs": "interactive documentation",
    "redoc": "interactive documentation",
    "swagger": "interactive documentation",
    "demo": "a demo",
    "seed": "made-up data",
    "simulator": "a simulated provider",
    "simulators": "a simulated provider",
    "inbox": "messages to people, codes included",
    "dev": "sign-in for developers",
    "debug": "the insides of the process",
    "clock": "setting the time",
    "time-override": "setting the time",
}


def exposure(settings: Settings) -> list[Finding]:
    """Find reviewed routes that have no place in production.

    The process compares its routes with the table before it serves (`platform.policy.compare`), so
    what is not in the table is not mounted either. This one needs no web framework.
    """
    if not settings.is_strict:
        return []
    table = tomllib.loads(resources.files("nerava").joinpath("policy.toml").read_text("utf-8"))
    return forbidden_routes(table)


def metrics(settings: Settings) -> list[Finding]:
    """Find `/metrics` open to everybody: without a token, where others than this machine's can ask."""
    told = settings.metrics.enabled is not False
    if not settings.is_strict or not told or settings.metrics.token is not None:
        return []
    hosts = {
        "NERAVA_SERVER__HOST": settings.server.host,
        "NERAVA_METRICS__WORK_HOST": settings.metrics.work_host,
    }
    said = "must be set: /metrics is open to everybody who reaches"
    return [
        Finding("NERAVA_METRICS__TOKEN", f"{said} {name}")
        for name, host in hosts.items()
        if not _is_private(host)
    ]


def _is_private(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_unspecified


def forbidden_routes(routes: Iterable[str]) -> list[Finding]:
    """Return a finding for every route (`GET /docs`) that would expose what production must not."""
    found: list[Finding] = []
    for route in routes:
        parts = route.rpartition(" ")[2].lower().split("/")
        words = set(parts) | {re.split(r"[._-]", part)[0] for part in parts}
        shown = next((what for word, what in _FORBIDDEN.items() if word in words), None)
        if shown is not None:
            found.append(Finding("NERAVA_ENV", f"production must not have {route}: it opens {shown}"))
    return found
