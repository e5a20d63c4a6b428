"""Providers that are only simulated, which production does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.settings import DELIMITER, PREFIX, Group
from nerava.startup_checks.findings import Finding

if TYPE_CHECKING:
    from nerava.settings import Settings


def simulated_providers(settings: Settings) -> list[Finding]:
    """Find a provider whose mode is the simulator, or that is called on this machine or without https."""
    if not settings.is_strict:
        return []
    found: list[Finding] = []
    for name in type(settings).model_fields:
        group = getattr(settings, name)
        if not isinstance(group, Group):
            continue
        variable = f"{PREFIX}{name.upper()}{DELIMITER}"
        if getattr(group, "mode", None) == "simulator":
            found.append(Finding(f"{variable}MODE", "must not be the simulator"))
        elif str(getattr(group, "base_url", None) or "").startswith("http://"):
            found.append(Finding(f"{variable}BASE_URL", "must begin with https://"))
    return found
