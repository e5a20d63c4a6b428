"""`PlaceDirectory` over Google Places: details for five minutes at most, ids for ever, photos by redirect."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import quote

from nerava.discovery.enriching import Told
from nerava.integrations.google_places.api import NOT_FOUND, PROVIDER
from nerava.integrations.google_places.masks import CONTENT, FINDING, IDENTITY, PHOTO
from nerava.integrations.google_places.reading import position_of, read
from nerava.kernel.geography import metres_between
from nerava.kernel.outcomes import Ok, Outcome, Refused, Unknown
from nerava.platform.cache.regions import NOTHING
from nerava.platform.provider_calls import PLACES_DETAILS, PLACES_PHOTO, PLACES_SEARCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.discovery.enriching import PlaceContent
    from nerava.integrations.google_places.api import PlacesApi
    from nerava.integrations.google_places.masks import Mask
    from nerava.kernel.geography import Point
    from nerava.platform.cache import Answer, Cache, Region
    from nerava.platform.provider_calls import ProviderCall

ContentCache: TypeAlias = Literal["l1_l2", "l1", "off"]

RESULTS_MAX: Final = 20
"""Google gives no more and has no next page."""

NEAR_M: Final = 75
"""Farther away a place with our name is another one."""

PHOTO_PX: Final = 800


class GooglePlaces:
    """Places of Google. Content is a working copy of five minutes: in memory, or in a Redis without a disk.

    Args:
        content_cache: `l1_l2` keeps it there too, `l1` in this process only, `off` shares only calls that
            are on their way.
    """

    source = PROVIDER

    def __init__(self, api: PlacesApi, cache: Cache, content_cache: ContentCache = "l1_l2") -> None:
        self._api = api
        self._cache = cache
        self._regions = {
            call.call.operation: _region(call, content_cache)
            for call in (PLACES_DETAILS, PLACES_SEARCH, PLACES_PHOTO)
        }

    def find(self, name: str, position: Point) -> Outcome[str | None]:
        """Return the id of the place with this name right there, None if Google has none."""
        circle = {
            "center": {"latitude": position.latitude, "longitude": position.longitude},
            "radius": NEAR_M,
        }
        body = {
            "maxResultCount": RESULTS_MAX,
            "rankPreference": "DISTANCE",
            "locationRestriction": {"circle": circle},
        }
        asked = self._kept(
            PLACES_SEARCH,
            f"{FINDING.name}/{hashlib.sha256(json.dumps(body).encode()).hexdigest()}",
            lambda: _places_in(self._api.post(PLACES_SEARCH, "/v1/places:searchNearby", FINDING, body)),
        ).outcome
        if not isinstance(asked, Ok):
            return asked
        wanted, best = _folded(name), None
        for place in asked.value:
            there, called = position_of(place), str((place.get("displayName") or {}).get("text", ""))
            if there is None or not isinstance(place.get("id"), str) or _folded(called) != wanted:
                continue
            far = metres_between(position, there)
            best = min(best, (far, place["id"])) if best else (far, place["id"])
        return Ok(best[1] if best else None)

    def details(self, reference: str, language: str) -> Told:
        """Return what is said about a place now; of one that moved, about the place it moved to."""
        told = self._details(reference, language)
        content = told.outcome.value if isinstance(told.outcome, Ok) else None
        if content is None or content.moved_to is None:
            return told
        moved = self._details(content.moved_to, language)
        if not isinstance(moved.outcome, Ok):
            return moved
        # Followed once: where it moved to next, the next look shows.
        return replace(moved, outcome=Ok(replace(moved.outcome.value, moved_to=None)))

    def still_there(self, reference: str) -> Outcome[str | None]:
        """Return the id under which a place is found today, None if it is not any more; costs nothing."""
        asked = self._api.get(PLACES_DETAILS, f"/v1/places/{quote(reference, safe='')}", IDENTITY)
        if isinstance(asked, Refused) and asked.code == NOT_FOUND:
            return Ok(None)
        if not isinstance(asked, Ok):
            return asked
        found = asked.value.get("movedPlaceId") or asked.value.get("id")
        return Ok(found) if isinstance(found, str) else Unknown("schema-drift:id")

    def photo(self, name: str, width_px: int = PHOTO_PX) -> Outcome[str]:
        """Return the short-lived address of a photo; neither it nor the photo's name may be stored."""
        query = [("maxWidthPx", str(width_px)), ("skipHttpRedirect", "true")]
        path = f"/v1/{quote(name, safe='/')}/media"
        asked = self._kept(
            PLACES_PHOTO, f"{name}/{width_px}", lambda: self._api.get(PLACES_PHOTO, path, PHOTO, query)
        ).outcome
        if not isinstance(asked, Ok):
            return asked
        found = asked.value.get("photoUri")
        is_address = isinstance(found, str) and found.startswith("https://")
        return Ok(found) if is_address else Unknown("schema-drift:photoUri")

    def _details(self, reference: str, language: str) -> Told:
        query = [("languageCode", language)]
        path = f"/v1/places/{quote(reference, safe='')}"
        answer = self._kept(
            PLACES_DETAILS,
            _key(reference, language, CONTENT),
            lambda: self._api.get(PLACES_DETAILS, path, CONTENT, query),
        )
        if not isinstance(answer.outcome, Ok):
            return Told(answer.outcome, None)
        content: PlaceContent | None = read(answer.outcome.value)
        outcome: Outcome[PlaceContent] = Unknown("schema-drift:id") if content is None else Ok(content)
        return Told(outcome, answer.as_of)

    def _kept(self, call: ProviderCall, key: str, load: Callable[[], Outcome[Any]]) -> Answer:
        return self._cache.get(self._regions[call.call.operation], key, load)


def _region(call: ProviderCall, content_cache: ContentCache) -> Region:
    region = call.region
    if region is None:
        message = "calls of Places have a region"
        raise AssertionError(message)
    if content_cache == "l1_l2":
        return region
    # Refusals hold no content: that an id is dead is known a day long in any case.
    fresh = NOTHING if content_cache == "off" else region.fresh
    return replace(region, fresh=fresh, is_shared=False)


def _key(reference: str, language: str, mask: Mask) -> str:
    return f"{reference}/{language}/{mask.name}"


def _places_in(asked: Outcome[dict[str, Any]]) -> Outcome[list[Any]]:
    """Return the list of an answer; an answer without one is an empty list."""
    if not isinstance(asked, Ok):
        return asked
    found = asked.value.get("places", [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return Unknown("schema-drift:places")
    return Ok(found)


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
