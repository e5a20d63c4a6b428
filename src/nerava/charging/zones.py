"""Time zones of charging locations, read from one pinned edition of the IANA data."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata, resources
from typing import Final
from zoneinfo import ZoneInfo

from nerava.charging.errors import LocationInvalid

EDITION: Final = metadata.version("tzdata")
"""The edition of the zone data, for example `2025.2` (IANA's 2025b); stored with each decision."""


@lru_cache(maxsize=1_024)
def zone(timezone: str) -> ZoneInfo:
    """Return the zone with this IANA name, from the pinned data and never from the machine's own.

    Two machines that read one session must agree on its local hours, whatever their systems have
    installed.

    Raises:
        LocationInvalid: No zone has this name (422).
    """
    parts = timezone.split("/")
    source = resources.files("tzdata.zoneinfo").joinpath(*parts)
    if not all(part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts):
        raise _unknown(timezone)
    try:
        with source.open("rb") as file:
            return ZoneInfo.from_file(file, key=timezone)
    except (OSError, ValueError) as error:
        raise _unknown(timezone) from error


def _unknown(timezone: str) -> LocationInvalid:
    return LocationInvalid(f"no IANA time zone {timezone[:50]!r}", timezone=timezone[:50])
