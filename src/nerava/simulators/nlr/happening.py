"""What happens at the Alternative Fuel Stations API without a call: stations come and go, keys go bad."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import TYPE_CHECKING

from nerava.simulators.chance import Chance
from nerava.simulators.errors import NoSuchThing
from nerava.simulators.moments import ByHand, lets_happen
from nerava.simulators.nlr.engine import NAME, NlrEngine
from nerava.simulators.nlr.station import helsinki, plugs

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from nerava.simulators.wire import Json


class NlrByHand(ByHand):
    """What a test holds of the simulated Alternative Fuel Stations API."""

    def __init__(self, nlr: NlrEngine, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self._nlr = nlr

    @property
    def key(self) -> str:
        """Our key; drawn anew by every reset."""
        return self._nlr.state.key

    def stations(self, **fields: object) -> list[Json]:
        """Return copies of the stations whose fields have these values, by id."""
        with self.moment():
            return [
                copy.deepcopy(one)
                for _, one in sorted(self._nlr.state.stations.items())
                if all(one[name] == value for name, value in fields.items())
            ]

    @lets_happen
    def add(self, /, **fields: object) -> Json:
        """Let a station open that is like another one but for these fields."""
        state = self._nlr.state
        like = next(one for one in state.stations.values() if one["fuel_type_code"] == "ELEC")
        number = max([*state.stations, *state.gone]) + 1
        made: Json = copy.deepcopy(like) | {"id": number, "status_code": "E", "expected_date": None, **fields}
        made["ev_connector_types"] = plugs(made["ev_charging_units"] or [])
        state.stations[number] = made
        self._nlr.touch()
        return made

    @lets_happen
    def change(self, /, station: int, **fields: object) -> Json:
        """Change fields of a station."""
        self._nlr.change(self._known(station), fields)
        return self._nlr.state.stations[station]

    @lets_happen
    def close(self, station: int) -> Json:
        """Tell of a station no longer."""
        self._nlr.close(self._known(station))
        return {"id": station}

    @lets_happen
    def decline(self, station: int, *, breaks_after_s: int, gone_after_s: int) -> Json:
        """Let a station break down and, later, vanish."""
        now, known = self._nlr.timeline.now(), str(self._known(station))
        self._nlr.timeline.plan(now + timedelta(seconds=breaks_after_s), NAME, "break", known)
        self._nlr.timeline.plan(now + timedelta(seconds=gone_after_s), NAME, "close", known)
        return {"id": station}

    @lets_happen
    def vanish_between_pages(self, station: int) -> Json:
        """Let a station be gone when a page after the first one is asked for."""
        self._nlr.state.vanishing = self._known(station)
        return {"id": station}

    @lets_happen
    def add_helsinki(self, country: str = "US") -> Json:
        """Tell of the stations of the map that the demonstration shows, under a country."""
        state = self._nlr.state
        added = helsinki(Chance(1), country, max(state.stations) + 1)
        state.stations |= added
        self._nlr.touch()
        return {"ids": list(added)}

    @lets_happen
    def retire_host(self, *, is_retired: bool = True) -> Json:
        """Answer 410 from now on, as the old domain does."""
        self._nlr.state.is_retired = is_retired
        return {"is_retired": is_retired}

    @lets_happen
    def stand_still(self, *, stands_still: bool = True) -> Json:
        """Let `last_updated` no longer move."""
        self._nlr.state.stands_still = stands_still
        return {"stands_still": stands_still}

    @lets_happen
    def spoil_key(self, code: str = "API_KEY_DISABLED") -> Json:
        """Refuse our key by this code from now on."""
        self._nlr.state.keys[self._nlr.state.key] = code
        return {"code": code}

    @lets_happen
    def mend_key(self) -> Json:
        """Let our key in again."""
        self._nlr.state.keys.clear()
        return {}

    @lets_happen
    def limit(self, an_hour: int) -> Json:
        """Let our key ask so many times in any hour."""
        self._nlr.state.hourly_limit = an_hour
        return {"an_hour": an_hour}

    def _known(self, station: int) -> int:
        if station not in self._nlr.state.stations:
            raise NoSuchThing(f"there is no station {station}")
        return station
