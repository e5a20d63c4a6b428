"""OCPI's instants: RFC 3339 in UTC, with or without a zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

LENGTH_MAX: Final = 40


def read_instant(text: object) -> datetime | None:
    """Return an aware instant in UTC; None if the text is none. A missing zone means UTC."""
    if not isinstance(text, str) or len(text) > LENGTH_MAX or "T" not in text.upper():
        return None
    try:
        found = datetime.fromisoformat(text.strip().upper())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def instant_text(at: datetime) -> str:
    """Return an instant as OCPI writes it, to the second where it has no fraction: `2026-11-20T12:00:00Z`."""
    precision = "milliseconds" if at.microsecond else "seconds"
    return at.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
