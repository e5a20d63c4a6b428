"""Which rules hold, and whether the interpreter keeps them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nerava.platform.redaction import REDACTOR, SAMPLES
from nerava.settings import PROFILES
from nerava.startup_checks.findings import Finding

if TYPE_CHECKING:
    from nerava.platform.redaction import Redactor
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


def logging(settings: Settings, redactor: Redactor = REDACTOR) -> list[Finding]:
    """Find a log that would tell more than production may, or a redactor that lets something through."""
    found = []
    if settings.is_strict and settings.log.level == "debug":
        found.append(Finding("NERAVA_LOG__LEVEL", "debug tells too much for production"))
    if missed := redactor.failures():
        message = f"{len(missed)} of the {len(SAMPLES)} samples of secrets would be written to the log"
        found.append(Finding("NERAVA_LOG", message))
    return found
