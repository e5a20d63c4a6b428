"""The places of an invented town on the real ground of Helsinki, drawn from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nerava.simulators.chance import Chance
    from nerava.simulators.wire import Json

SOUTH, NORTH, WEST, EAST = 60.16416, 60.17911, 24.93518, 24.95341
_KINDS: Final = (
    ("cafe", "Café"),
    ("restaurant", "Restaurant"),
    ("pharmacy", "Pharmacy"),
    ("bar", "Bar"),
    ("book_store", "Books"),
)
PLACES: Final = 60


def new_place(place_id: str, name: str, kind: str, latitude: float, longitude: float) -> Json:
    """Return a place that says little about itself: no hours, no rating, no website."""
    return {
        "name": f"places/{place_id}",
        "id": place_id,
        "types": [kind, "point_of_interest", "establishment"],
        "primaryType": kind,
        "displayName": {"text": name, "languageCode": "en"},
        "formattedAddress": f"{name}, 00100 Helsinki, Finland",
        "location": {"latitude": latitude, "longitude": longitude},
        "businessStatus": "OPERATIONAL",
        "utcOffsetMinutes": 120,
        "timeZone": {"id": "Europe/Helsinki"},
        "googleMapsUri": f"https://maps.google.com/?cid={abs(hash_of(place_id))}",
        "photos": [],
    }


def hash_of(text: str) -> int:
    """Return a number that is always the same for a text."""
    return int.from_bytes(text.encode()[:6], "big")


def seeded(chance: Chance) -> dict[str, Json]:
    """Return places by id; some know their hours and ratings, some are closed."""
    found: dict[str, Json] = {}
    for number in range(PLACES):
        kind, word = _KINDS[number % len(_KINDS)]
        place_id = f"ChIJ{chance.text(23)}"
        latitude = round(chance.between(SOUTH, NORTH), 6)
        longitude = round(chance.between(WEST, EAST), 6)
        place = new_place(place_id, f"{word} {number + 1}", kind, latitude, longitude)
        if number % 3:
            place["currentOpeningHours"] = {
                "openNow": number % 2 == 0,
                "weekdayDescriptions": ["Monday: 08:00-18:00"],
            }
        if number % 4:
            place |= {"rating": round(chance.between(2.5, 5), 1), "userRatingCount": number * 7}
            place |= {"priceLevel": "PRICE_LEVEL_MODERATE", "websiteUri": f"https://place-{number}.example"}
        if number % 11 == len(_KINDS):
            place["businessStatus"] = "CLOSED_PERMANENTLY" if number % 2 else "CLOSED_TEMPORARILY"
        author = {
            "displayName": "A. Guest",
            "uri": "https://maps.google.com/guest",
            "photoUri": "https://p.example",
        }
        place["photos"] = [
            {"name": f"p{number}", "widthPx": 1200, "heightPx": 800, "authorAttributions": [author]}
        ]
        found[place_id] = place
    return found
