"""What a record must be like to be kept, and how its texts become what a column holds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from nerava.discovery.feeds import Reject
from nerava.discovery.records import PlaceRecord, SiteRecord, WalkCellRecord

if TYPE_CHECKING:
    from nerava.discovery.records import Plug, Record
    from nerava.kernel.geography import Point

REFERENCE_LENGTH_MAX: Final = 200
NAME_LENGTH_MAX: Final = 200
POWER_W_MAX: Final = 10_000_000
"""Ten times the strongest plug for trucks; above it somebody has mixed up watts and kilowatts."""


def complaint_about(record: Record) -> Reject | None:
    """Return why a record cannot be kept, or None if it can."""
    if isinstance(record, WalkCellRecord):
        return None
    reference = record.reference
    if not 0 < len(reference) <= REFERENCE_LENGTH_MAX or "\0" in reference:
        return Reject(None, reference[:50], "no-reference", "a reference has 1 to 200 characters")
    if not record.name.strip():
        return Reject(None, reference, "no-name", "there is no name")
    if not _is_on_the_globe(record.position):
        return Reject(None, reference, "no-position", "the position is not on the globe")
    return _about_doors(record) if isinstance(record, PlaceRecord) else _about_plugs(record)


def _about_doors(record: PlaceRecord) -> Reject | None:
    if all(map(_is_on_the_globe, record.doors)):
        return None
    return Reject(None, record.reference, "no-position", "a door is not on the globe")


def _about_plugs(record: SiteRecord) -> Reject | None:
    plugs: list[Plug] = [*record.plugs, *(one for evse in record.evses for one in evse.connectors.values())]
    for plug in plugs:
        if plug.power_w_max is not None and not 0 < plug.power_w_max <= POWER_W_MAX:
            return Reject(
                None,
                record.reference,
                "power",
                f"a plug cannot be rated {plug.power_w_max} W; unknown is None",
            )
        if plug.count < 1:
            return Reject(None, record.reference, "plugs", f"there cannot be {plug.count} plugs of a kind")
    return None


def _is_on_the_globe(point: Point) -> bool:
    finite = math.isfinite(point.latitude) and math.isfinite(point.longitude)
    return finite and -90 <= point.latitude <= 90 and -180 <= point.longitude <= 180  # noqa: PLR2004 - degrees


def kept_text(value: object, most: int) -> str | None:
    """Return a text for a column, None where there is none or where half of it would mislead."""
    if not isinstance(value, str):
        return None
    text = value.replace("\0", "").strip()
    return text if 0 < len(text) <= most else None


def cut_text(value: object, most: int) -> str | None:
    """Return a text for people, cut with an ellipsis where it is too long."""
    if not isinstance(value, str) or not (text := value.replace("\0", "").strip()):
        return None
    return text if len(text) <= most else text[: most - 1] + "…"
