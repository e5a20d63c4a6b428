"""Instants as people of a merchant type them: without an offset, on the clock of where it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nerava.charging.zones import zone
from nerava.platform.problem import InputError, InvalidInput

if TYPE_CHECKING:
    from nerava.web.site.forms import Form

LATEST_YEAR = 2_199


def maybe_instant(form: Form, name: str, timezone: str) -> str | None:
    """Return a local time of a form as ISO 8601 in UTC; None for an empty field.

    Raises:
        InvalidInput: It is no time that a calendar has (422).
    """
    text = form.maybe(name, most=40)
    if not text:
        return None
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(name) from None
    if local.tzinfo is not None or not 2_000 < local.year <= LATEST_YEAR:  # noqa: PLR2004 - as the API
        raise _wrong(name)
    return local.replace(tzinfo=zone(timezone)).astimezone(UTC).isoformat()


def typed_time(at: str | None, timezone: str) -> str:
    """Return an instant as an input for local times shows it; None is empty."""
    if at is None:
        return ""
    return datetime.fromisoformat(at).astimezone(zone(timezone)).strftime("%Y-%m-%dT%H:%M")


def _wrong(name: str) -> InvalidInput:
    message = "a day and a time, as in 2026-03-01T09:00"
    error = InputError(pointer=f"form/{name}", message=message, kind="local_time")
    return InvalidInput(f"{name.replace('_', ' ')}: {message}", errors=[error])
