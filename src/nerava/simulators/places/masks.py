"""Field masks: which fields there are, what a mask leaves of a place, and what the dearest field costs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.places.problems import invalid

if TYPE_CHECKING:
    from nerava.simulators.wire import Json

_TIERS: Final = (
    ("id", "name", "photos", "attributions", "movedPlace", "movedPlaceId"),
    ("addressComponents", "formattedAddress", "location", "plusCode", "types", "viewport"),
    (
        "accessibilityOptions",
        "businessStatus",
        "displayName",
        "googleMapsUri",
        "primaryType",
        "primaryTypeDisplayName",
        "timeZone",
        "utcOffsetMinutes",
    ),
    (
        "currentOpeningHours",
        "nationalPhoneNumber",
        "priceLevel",
        "rating",
        "regularOpeningHours",
        "userRatingCount",
        "websiteUri",
    ),
    ("evChargeOptions", "outdoorSeating", "restroom", "reviews", "servesCoffee"),
)
"""Fields by price, cheapest first: ids, essentials, pro, enterprise, and what is called atmosphere."""

TIER_OF: Final = {field: tier for tier, fields in enumerate(_TIERS) for field in fields}
TIERS: Final = ("ids", "essentials", "pro", "enterprise", "atmosphere")
PRICE_MILLICENTS: Final = {
    "details": (0, 500, 1_700, 2_000, 2_500),
    "search": (0, 3_200, 3_200, 3_500, 4_000),
    "photo": (700,) * 5,
}
"""What one call costs, in thousandths of a cent, by the tier of the dearest field."""


def parsed_mask(text: str | None, prefix: str) -> list[list[str]]:
    """Return the paths of a mask below a prefix; a mask must be there and have no space in it."""
    if not text:
        raise invalid(
            "FieldMask is a required parameter. See https://cloud.google.com/apis/docs/system-parameters"
        )
    if re.search(r"\s", text):
        raise invalid("Invalid field mask: spaces are not allowed.")
    found = []
    for path in text.split(","):
        if path == "nextPageToken" and prefix:
            continue
        if path == "*":
            found.append(["*"])
            continue
        if prefix and path != prefix[:-1] and not path.startswith(prefix):
            raise invalid(
                f"Error expanding 'fields' parameter. Cannot find matching fields for path '{path}'."
            )
        parts = ["*"] if path == prefix[:-1] else path.removeprefix(prefix).split(".")
        if parts != ["*"] and parts[0] not in TIER_OF:
            raise invalid(
                f"Error expanding 'fields' parameter. Cannot find matching fields for path '{path}'."
            )
        found.append(parts)
    return found


def tier_of(mask: list[list[str]]) -> int:
    """Return the tier of the dearest field."""
    return max((len(_TIERS) - 1 if one == ["*"] else TIER_OF[one[0]] for one in mask), default=0)


def masked(place: Json, mask: list[list[str]]) -> Json:
    """Return what a mask leaves of a place; what is unknown is simply absent."""
    if ["*"] in mask:
        return place
    found: Json = {}
    for path in mask:
        _copy(place, found, path)
    return found


def _copy(here: Any, there: Json, path: list[str]) -> None:  # noqa: ANN401 - whatever JSON it is
    name, *rest = path
    if not isinstance(here, dict) or name not in here:
        return
    if not rest:
        there[name] = here[name]
        return
    if isinstance(here[name], list):
        parts = there.setdefault(name, [{} for _ in here[name]])
        for one, part in zip(here[name], parts, strict=True):
            _copy(one, part, rest)
        return
    _copy(here[name], there.setdefault(name, {}), rest)
