"""The secrets of the installation: all there, strong, and written nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from nerava.startup_checks.findings import DATABASE_URL, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerava.settings import Settings


def arguments(settings: Settings, command_line: Sequence[str]) -> list[Finding]:
    """Find a secret on the command line, where every user of the machine can read it."""
    if not settings.is_strict:
        return []
    password = password_of(settings.database.url)
    if password and any(password in unquote(one) for one in command_line):
        return [Finding(DATABASE_URL, "its password stands on the command line, where others can read it")]
    return []


def password_of(url: str) -> str | None:
    """Return the password that an address carries, decoded; None where it carries none."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return None
    return unquote(password) if password else None
