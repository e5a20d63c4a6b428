"""The simulated EIA v2: megawatt-hours by fuel, hours named by their end, the key echoed back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.grid.engine import GridEngine, GridProblem
from nerava.simulators.grid.truth import HOUR_S, instant_at, second_of

if TYPE_CHECKING:
    from nerava.simulators.wire import Call, Json

PATH: Final = "/v2/electricity/rto/fuel-type-data/data"
LENGTH_MAX: Final = 5_000
LAG_H: Final = 1
TOTAL_MWH: Final = 20_000
GAS_G: Final = 435
RESPONDENTS: Final = frozenset({"CISO", "BPAT"})
_NAMES: Final = {"NG": "Natural Gas", "NUC": "Nuclear", "SUN": "Solar", "BAT": "Battery"}


class EiaEngine(GridEngine):
    """Answers like api.eia.gov, from gas, sun, a nuclear plant, and a battery that is being charged."""

    name = "eia"

    def problem(self, status: int, code: str | None) -> GridProblem:
        """Return an error of this status."""
        word = code or {403: "API_KEY_INVALID", 429: "OVER_RATE_LIMIT"}.get(status, f"ERROR_{status}")
        return GridProblem(status, {"error": {"code": word, "message": "See eia.gov/opendata."}})

    def read(self, call: Call, given: list[tuple[str, str]]) -> Json:
        """Answer a call."""
        asked = dict(given)
        if "api_key" not in asked:
            raise self.problem(403, "API_KEY_MISSING")
        if asked["api_key"] != self.state.key:
            raise self.problem(403, "API_KEY_INVALID")
        if call.path.rstrip("/") != PATH:
            raise self.problem(404, None)
        rows = self._rows(asked)
        if asked.get("sort[0][direction]", "desc") == "desc":
            rows.reverse()
        offset, length = int(asked.get("offset", 0)), int(asked.get("length", LENGTH_MAX))
        if not 0 < length <= LENGTH_MAX:
            raise self.problem(400, None)
        return {
            "response": {
                "total": str(len(rows)),
                "dateFormat": 'YYYY-MM-DD"T"HH24',
                "frequency": "hourly",
                "data": rows[offset : offset + length],
            },
            "request": {"command": f"{PATH}/", "params": asked},
            "apiVersion": "2.1.8",
        }

    def _rows(self, asked: dict[str, str]) -> list[Json]:
        respondent = asked.get("facets[respondent][]", "")
        since, until = (second_of(asked.get(name, "") + ":00") for name in ("start", "end"))
        if since is None or until is None or asked.get("frequency") != "hourly" or "data[]" not in asked:
            raise self.problem(400, None)
        if respondent not in RESPONDENTS:
            return []
        now_s = int(self.timeline.now().timestamp())
        ends = range(since, min(until, (now_s // HOUR_S - LAG_H) * HOUR_S) + 1, HOUR_S)
        return [row for end in ends for row in self._hour(respondent, end)]

    def _hour(self, respondent: str, end: int) -> list[Json]:
        grams = self.state.truth.hour_at(end - HOUR_S)
        if grams is None:
            return []
        gas = round(TOTAL_MWH * min(1.0, grams / GAS_G))
        made = {"NG": gas, "NUC": (TOTAL_MWH - gas) // 2, "BAT": -500}
        made["SUN"] = TOTAL_MWH - gas - made["NUC"]
        return [
            {
                "period": instant_at(end).strftime("%Y-%m-%dT%H"),
                "respondent": respondent,
                "fueltype": fuel,
                "type-name": _NAMES[fuel],
                "value": str(mwh),
                "value-units": "megawatthours",
            }
            for fuel, mwh in made.items()
        ]
