"""Which rules hold, and whether the interpreter keeps them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nerava.settings import PROFILES
from nerava.startup_checks.findings import Finding

if TYPE_CHECKING:
    from nerava.settings import Settings


def profile(settings: Settings) -> list[Finding]:
    """Find a profile that nobody chose."""
    if settings.env is None:
        return [Finding("NERAVA_ENV", f"must be set to one of {', '.join(PROFILES)}")]
    return []


def interpreter(optimize: int = sys.flags.optimize) -> list[Finding]:
    """Find a Python that was told to leave the product's own checks out."""
    if optimize:
        return [Finding("PYTHONOPTIMIZE", "must not be set: the product's own checks would be gone")]
    return []


def logging(settings: Settings) -> list[Finding]:
    """Find a log that would tell more than production may."""
    if settings.is_strict and settings.log.level == "debug":
        return [Finding("NERAVA_LOG__LEVEL", "debug tells too much for production")]
    return []
