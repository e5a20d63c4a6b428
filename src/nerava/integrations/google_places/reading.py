"""What Google says about a place, read as far as it is there; what is absent is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nerava.discovery.enriching import BusinessStatus, Photo, PlaceContent
from nerava.kernel.geography import Point

if TYPE_CHECKING:
    from collections.abc import Mapping

ATTRIBUTION: Final = "Google Maps"
"""Shown in these words beside the content, wherever it is shown."""


def read(place: Mapping[str, Any]) -> PlaceContent | None:
    """Return the content of an answer; None if it does not even say which place it is."""
    reference = _text(place, "id")
    if reference is None:
        return None
    hours, name = _inner(place, "currentOpeningHours"), _inner(place, "displayName")
    weekdays = hours.get("weekdayDescriptions")
    return PlaceContent(
        reference=reference,
        moved_to=_text(place, "movedPlaceId"),
        name=_text(name, "text"),
        language=_text(name, "languageCode"),
        address=_text(place, "formattedAddress"),
        position=position_of(place),
        status=_status(place),
        is_open_now=hours.get("openNow") if isinstance(hours.get("openNow"), bool) else None,
        hours=tuple(str(one) for one in weekdays) if isinstance(weekdays, list) else None,
        rating_tenths=_tenths(place.get("rating")),
        ratings=_count(place.get("userRatingCount")),
        price_level=_text(place, "priceLevel"),
        website=_text(place, "websiteUri"),
        phone=_text(place, "nationalPhoneNumber"),
        link=_text(place, "googleMapsUri"),
        photos=_photos(place),
        attribution=ATTRIBUTION,
    )


def position_of(place: Mapping[str, Any]) -> Point | None:
    """Return where a place is, if that is told."""
    told = _inner(place, "location")
    latitude, longitude = told.get("latitude"), told.get("longitude")
    if not _is_number(latitude) or not _is_number(longitude):
        return None
    return Point(float(latitude or 0), float(longitude or 0))


def _status(place: Mapping[str, Any]) -> BusinessStatus:
    try:
        return BusinessStatus(str(place.get("businessStatus", "")).lower())
    except ValueError:
        return BusinessStatus.UNKNOWN


def _photos(place: Mapping[str, Any]) -> tuple[Photo, ...]:
    told = place.get("photos")
    found = []
    for one in told if isinstance(told, list) else []:
        name = _text(one, "name") if isinstance(one, dict) else None
        if name is None:
            continue
        authors = one.get("authorAttributions")
        named = [_text(who, "displayName") for who in authors or [] if isinstance(who, dict)]
        found.append(Photo(name, tuple(who for who in named if who)))
    return tuple(found)


def _inner(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    told = of.get(name)
    return told if isinstance(told, dict) else {}


def _text(of: Mapping[str, Any], name: str) -> str | None:
    told = of.get(name)
    return told or None if isinstance(told, str) else None


def _is_number(told: object) -> bool:
    return isinstance(told, int | float) and not isinstance(told, bool)


def _tenths(told: Any) -> int | None:  # noqa: ANN401 - whatever JSON it is
    return round(told * 10) if _is_number(told) else None


def _count(told: object) -> int | None:
    return told if type(told) is int and told >= 0 else None
