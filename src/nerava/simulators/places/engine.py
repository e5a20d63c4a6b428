"""The simulated Places API as a provider: who may ask what, how often, and for how much."""

from __future__ import annotations

import copy
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from nerava.simulators.chance import Chance
from nerava.simulators.keyless import Silent
from nerava.simulators.places import asking, masks
from nerava.simulators.places.problems import PlacesProblem, by_status, invalid
from nerava.simulators.places.state import PlacesState
from nerava.simulators.places.town import seeded
from nerava.simulators.wire import Answer, as_json, parsed

if TYPE_CHECKING:
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.wire import Call, Json

NAME: Final = "places"
MINUTE: Final = timedelta(minutes=1)
QUOTA: Final = 600
PHOTO_PX_MAX: Final = 4_800
_PHOTO: Final = r"/v1/places/(?P<place>[\w-]+)/photos/(?P<photo>[\w-]+)/media"
_DETAILS: Final = r"/v1/places/(?P<place>[\w-]+)"


class PlacesEngine(Silent):
    """A `Provider` that answers like places.googleapis.com."""

    name = NAME

    def __init__(self, timeline: Timeline, chance: Chance) -> None:
        self.timeline = timeline
        self._chance = chance
        self.state = PlacesState("", "")

    def fresh(self) -> None:
        """Forget everything; key and places are drawn from the seed, not from anybody else's chance."""
        chance = Chance(self._chance.seed)
        self.state = PlacesState(f"AIza{chance.text(35)}", chance.text(6), seeded(chance))

    def answer(self, call: Call) -> Answer:
        """Answer a call of the API."""
        try:
            return self._carried_out(call)
        except PlacesProblem as problem:
            return as_json(problem.as_document(), problem.status)

    def _carried_out(self, call: Call) -> Answer:
        given = dict(parse_qsl(call.query))
        if call.headers.get("x-goog-api-key", given.get("key")) != self.state.key:
            raise by_status(403)
        mask = call.headers.get("x-goog-fieldmask", given.get("fields", given.get("$fields")))
        if (call.method, call.path) == ("POST", "/v1/places:searchNearby"):
            self._count("searchNearby")
            return as_json(self._nearby(parsed(call.body), mask))
        if (call.method, call.path) == ("POST", "/v1/places:searchText"):
            self._count("searchText")
            return as_json(self._text(parsed(call.body), mask))
        if call.method == "GET" and (found := re.fullmatch(_PHOTO, call.path)):
            self._count("photo")
            return self._photo(found["place"], found["photo"], given)
        if call.method == "GET" and (found := re.fullmatch(_DETAILS, call.path)):
            self._count("details")
            return as_json(self._details(found["place"], mask, given.get("languageCode", "en")))
        raise by_status(404)

    def _count(self, method: str) -> None:
        """Count a call of a method against its own quota of the minute."""
        now, state = self.timeline.now(), self.state
        asked = [at for at in state.asked.get(method, []) if at > now - MINUTE]
        if len(asked) >= state.quotas.get(method, QUOTA):
            raise by_status(429)
        state.asked[method] = [*asked, now]

    def _bill(self, method: str, kind: str, mask: list[list[str]]) -> None:
        tier = masks.tier_of(mask)
        self.state.cost_millicents += masks.PRICE_MILLICENTS[kind][tier]
        self.state.billed[method, masks.TIERS[tier]] += 1

    def _nearby(self, body: Json, mask_text: str | None) -> Json:
        mask = masks.parsed_mask(mask_text, "places.")
        count, types = asking.count_of(body, "maxResultCount"), asking.types_of(body)
        latitude, longitude, radius = asking.circle_of(body)
        near = [(asking.metres_between(latitude, longitude, one), one) for one in self._known()]
        found = [(metres, one) for metres, one in near if metres <= radius and asking.fits(one, types)]
        if body.get("rankPreference") == "DISTANCE":
            found.sort(key=lambda pair: pair[0])
        else:
            found.sort(key=lambda pair: -pair[1].get("userRatingCount", 0))
        self._bill("searchNearby", "search", mask)
        return self._listed([one for _, one in found[:count]], mask)

    def _text(self, body: Json, mask_text: str | None) -> Json:
        mask = masks.parsed_mask(mask_text, "places.")
        words, size = str(body.get("textQuery", "")).casefold(), asking.count_of(body, "pageSize")
        if not words:
            raise invalid("text_query must not be empty.")
        rectangle = (body.get("locationRestriction") or {}).get("rectangle")
        found = [
            one
            for one in self._known()
            if (words in one["displayName"]["text"].casefold() or words in one["types"])
            and one.get("rating", 0) >= float(body.get("minRating", 0))
            and body.get("includedType") in {None, *one["types"]}
            and (not body.get("openNow") or one.get("currentOpeningHours", {}).get("openNow"))
            and (rectangle is None or asking.within(rectangle, one))
            and _charges(one, body.get("evOptions"))
        ]
        begin = int(str(body.get("pageToken") or "0").removeprefix("page-") or 0)
        self._bill("searchText", "search", mask)
        answer = self._listed(found[begin : begin + size], mask)
        if begin + size < len(found) and "nextPageToken" in (mask_text or ""):
            answer["nextPageToken"] = f"page-{begin + size}"
        return answer

    def _listed(self, places: list[Json], mask: list[list[str]]) -> Json:
        # Nothing found is an object without the list.
        return {"places": [masks.masked(self._shown(one), mask) for one in places]} if places else {}

    def _details(self, place_id: str, mask_text: str | None, language: str) -> Json:
        mask = masks.parsed_mask(mask_text, "")
        if place_id in self.state.dead or place_id not in self.state.places:
            raise by_status(404)
        self._bill("details", "details", mask)
        place = self._shown(self.state.places[place_id])
        place["displayName"] = {**place["displayName"], "languageCode": language}
        return masks.masked(place, mask)

    def _photo(self, place_id: str, photo: str, given: dict[str, str]) -> Answer:
        sizes = [given[name] for name in ("maxWidthPx", "maxHeightPx") if name in given]
        if not sizes or not all(one.isdigit() and 1 <= int(one) <= PHOTO_PX_MAX for one in sizes):
            raise invalid(f"Either max_width_px or max_height_px must be between 1 and {PHOTO_PX_MAX}.")
        place = self.state.places.get(place_id)
        name = f"places/{place_id}/photos/{photo}"
        if place is None or name not in {one["name"] for one in self._shown(place)["photos"]}:
            raise by_status(404)
        self._bill("photo", "photo", [])
        uri = f"https://lh3.example/{photo}=w{sizes[0]}"
        if given.get("skipHttpRedirect") == "true":
            return as_json({"name": f"{name}/media", "photoUri": uri})
        return Answer(302, b"", {"location": uri})

    def _known(self) -> list[Json]:
        return [one for key, one in self.state.places.items() if key not in self.state.dead]

    def _shown(self, place: Json) -> Json:
        """Return a place with names of photos that are worth something today."""
        shown = copy.deepcopy(place)
        for one in shown["photos"]:
            one["name"] = f"places/{place['id']}/photos/{one['name']}-{self.state.photo_mark}"
        return shown

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status in the API's own words."""
        problem = by_status(status, code)
        return as_json(problem.as_document(), problem.status)

    def believes(self) -> Json:
        """Return how many places there are and what was billed."""
        state = self.state
        return {
            "places": len(state.places),
            "dead": sorted(state.dead),
            "cost_millicents": state.cost_millicents,
            "billed": {f"{method} {tier}": count for (method, tier), count in sorted(state.billed.items())},
        }


def _charges(place: Json, wanted: Json | None) -> bool:
    if not wanted:
        return True
    plugs = (place.get("evChargeOptions") or {}).get("connectorAggregation", [])
    least, kinds = float(wanted.get("minimumChargingRateKw", 0)), set(wanted.get("connectorTypes", []))
    return any(one["maxChargeRateKw"] >= least and (not kinds or one["type"] in kinds) for one in plugs)
