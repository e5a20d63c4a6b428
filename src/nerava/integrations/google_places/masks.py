"""Field masks, one for each use, and what a call with one costs: the price follows the dearest field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Mask:
    """The fields that one use needs.

    Attributes:
        name: Part of the key under which an answer is kept: a poorer answer never serves a richer use.
        fields: As the header has them; commas and no spaces.
        cost_millicents: Of one call, in thousandths of a US cent, at the list price.
    """

    name: str
    fields: str
    cost_millicents: int


_CONTENT: Final = (
    "id",
    "displayName",
    "formattedAddress",
    "location",
    "types",
    "primaryType",
    "businessStatus",
    "currentOpeningHours",
    "utcOffsetMinutes",
    "rating",
    "userRatingCount",
    "priceLevel",
    "photos",
    "websiteUri",
    "nationalPhoneNumber",
    "googleMapsUri",
    "movedPlaceId",
)

CONTENT: Final = Mask("content", ",".join(_CONTENT), 2_000)
"""What a page about a place shows; ratings and hours make it an enterprise call."""

IDENTITY: Final = Mask("identity", "id,movedPlaceId", 0)
"""Whether an id is still good, and where the place moved to; free."""

FINDING: Final = Mask("finding", "places.id,places.displayName,places.location", 3_200)
"""Which place ours is: names and positions near it."""

PHOTO: Final = Mask("photo", "", 700)
"""A photo's address has no mask."""
