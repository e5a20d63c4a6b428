"""What happens at the Places API without a call of it: places open, close, move and die."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from nerava.simulators.chance import Chance
from nerava.simulators.errors import NoSuchThing
from nerava.simulators.moments import ByHand, lets_happen
from nerava.simulators.places.town import new_place

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from nerava.simulators.places.engine import PlacesEngine
    from nerava.simulators.wire import Json


class PlacesByHand(ByHand):
    """What a test holds of the simulated Places API."""

    def __init__(self, places: PlacesEngine, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self._places = places

    @property
    def key(self) -> str:
        """Our key; drawn anew by every reset."""
        return self._places.state.key

    @property
    def cost_millicents(self) -> int:
        """What all calls cost since the last reset, in thousandths of a cent."""
        with self.moment():
            return self._places.state.cost_millicents

    def places(self) -> list[Json]:
        """Return copies of all places."""
        with self.moment():
            return copy.deepcopy(list(self._places.state.places.values()))

    @lets_happen
    def add(self, name: str, kind: str, latitude: float, longitude: float) -> Json:
        """Let a place open that says little about itself."""
        state = self._places.state
        place_id = f"ChIJ{Chance(len(state.places) + 1).text(23)}"
        state.places[place_id] = new_place(place_id, name, kind, latitude, longitude)
        return state.places[place_id]

    @lets_happen
    def change(self, /, place_id: str, **fields: object) -> Json:
        """Change fields of a place; None takes a field away."""
        place = self._known(place_id)
        for name, value in fields.items():
            if value is None:
                place.pop(name, None)
            else:
                place[name] = value
        return place

    @lets_happen
    def kill(self, place_id: str) -> Json:
        """Let an id no longer be valid."""
        self._known(place_id)
        self._places.state.dead.add(place_id)
        return {"id": place_id}

    @lets_happen
    def move(self, place_id: str, latitude: float, longitude: float) -> Json:
        """Let a place move: it gets another id, and the old one says which."""
        old, state = self._known(place_id), self._places.state
        new_id = f"ChIJ{Chance(len(state.places) + 1).text(23)}"
        state.places[new_id] = copy.deepcopy(old) | {
            "id": new_id,
            "name": f"places/{new_id}",
            "location": {"latitude": latitude, "longitude": longitude},
        }
        old |= {
            "businessStatus": "CLOSED_PERMANENTLY",
            "movedPlace": f"places/{new_id}",
            "movedPlaceId": new_id,
        }
        return state.places[new_id]

    @lets_happen
    def quota(self, method: str, a_minute: int) -> Json:
        """Allow so many calls of a method in any minute: details, searchNearby, searchText, photo."""
        self._places.state.quotas[method] = a_minute
        return {"method": method, "a_minute": a_minute}

    @lets_happen
    def rename_photos(self) -> Json:
        """Make all names of photos worthless that were given so far."""
        self._places.state.photo_mark += "x"
        return {}

    def _known(self, place_id: str) -> Json:
        if place_id not in self._places.state.places:
            raise NoSuchThing(f"there is no place {place_id}")
        return self._places.state.places[place_id]
