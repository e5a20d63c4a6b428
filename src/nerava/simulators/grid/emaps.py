"""The simulated Electricity Maps v3: the last day by the hour, the last two hours estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.grid.engine import GridEngine, GridProblem
from nerava.simulators.grid.truth import HOUR_S, hour_before, instant_at

if TYPE_CHECKING:
    from nerava.simulators.wire import Call, Json

HOURS: Final = 24
ESTIMATED: Final = 2
GUESS: Final = 1.1
ZONES: Final = {"US-CAL-CISO": (32.5, 42.0), "US-NW-BPAT": (42.0, 49.0)}
_WEST, _EAST = -125.0, -114.0


class EmapsEngine(GridEngine):
    """Answers like api.electricitymaps.com. Estimates and forecasts say a tenth more than comes."""

    name = "emaps"

    def problem(self, status: int, code: str | None) -> GridProblem:
        """Return an error of this status."""
        return GridProblem(status, {"status": "error", "message": code or "Something went wrong"})

    def read(self, call: Call, given: list[tuple[str, str]]) -> Json:
        """Answer a call."""
        if call.headers.get("auth-token") != self.state.key:
            raise self.problem(401, "Invalid auth-token")
        asked = dict(given)
        zone = self._zone(asked)
        last = hour_before(self.timeline.now())
        match call.path:
            case "/v3/carbon-intensity/latest":
                return self._hour(zone, last, is_estimated=True)
            case "/v3/carbon-intensity/history":
                first = last - (HOURS - 1) * HOUR_S
                hours = [
                    self._hour(zone, at, is_estimated=at > last - ESTIMATED * HOUR_S)
                    for at in range(first, last + 1, HOUR_S)
                ]
                return {"zone": zone, "history": hours, "temporalGranularity": "hourly"}
            case "/v3/carbon-intensity/forecast":
                ahead = range(last + HOUR_S, last + (HOURS + 1) * HOUR_S, HOUR_S)
                forecast = [
                    {"carbonIntensity": self._grams(at, GUESS), "datetime": _text(at)} for at in ahead
                ]
                return {"zone": zone, "forecast": forecast, "updatedAt": _text(last)}
        raise self.problem(404, "Not found")

    def _zone(self, asked: dict[str, str]) -> str:
        if "zone" in asked:
            if asked["zone"] in ZONES:
                return asked["zone"]
            raise self.problem(404, f"Zone '{asked['zone']}' does not exist.")
        try:
            latitude, longitude = float(asked["lat"]), float(asked["lon"])
        except (KeyError, ValueError):
            raise self.problem(400, "zone, or lat and lon, are required") from None
        for zone, (south, north) in ZONES.items():
            if south <= latitude < north and _WEST <= longitude < _EAST:
                return zone
        raise self.problem(404, "No zone found for these coordinates")

    def _hour(self, zone: str, at: int, *, is_estimated: bool) -> Json:
        return {
            "zone": zone,
            "carbonIntensity": self._grams(at, GUESS if is_estimated else 1.0),
            "datetime": _text(at),
            "updatedAt": _text(at + HOUR_S),
            "createdAt": _text(at - 24 * HOUR_S),
            "emissionFactorType": "lifecycle",
            "isEstimated": is_estimated,
            "estimationMethod": "TIME_SLICER_AVERAGE" if is_estimated else None,
        }

    def _grams(self, at: int, factor: float) -> int | None:
        grams = self.state.truth.hour_at(at)
        return None if grams is None else round(grams * factor)


def _text(second: int) -> str:
    return instant_at(second).strftime("%Y-%m-%dT%H:%M:%S.000Z")
