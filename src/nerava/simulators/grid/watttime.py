"""The simulated WattTime v3: tokens of half an hour, pounds per megawatt-hour, a month a call."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from nerava.simulators.grid.engine import GridEngine, GridProblem
from nerava.simulators.grid.truth import STEP_S, instant_at, second_of

if TYPE_CHECKING:
    from nerava.simulators.wire import Call, Json

USER: Final = "nerava-simulated"
TOKEN_LIFE: Final = timedelta(minutes=30)
WINDOW_S: Final = 32 * 86_400
POUND_G: Final = 453.59237
FORECAST_FACTOR: Final = 1.25
HORIZON_H: Final = 24
NORTH, SOUTH, COLUMBIA = "CAISO_NORTH", "LDWP", "BPA"
_BANDS: Final = ((35.8, 42.0, NORTH), (32.5, 35.8, SOUTH), (42.0, 49.0, COLUMBIA))
_WEST, _EAST = -125.0, -114.0


class WattTimeEngine(GridEngine):
    """Answers like api.watttime.org. Forecasts say a quarter more than comes."""

    name = "watttime"

    def problem(self, status: int, code: str | None) -> GridProblem:
        """Return an error of this status."""
        return GridProblem(status, {"error": code or "Error", "message": "See docs.watttime.org."})

    def end_tokens(self) -> None:
        """Let every token that was given end now."""
        self.state.more["tokens"] = {}

    def read(self, call: Call, given: list[tuple[str, str]]) -> Json:
        """Answer a call."""
        if call.path == "/login":
            return self._log_in(call.headers.get("authorization", ""))
        self._let_in(call.headers.get("authorization", ""))
        asked = dict(given)
        if asked.get("signal_type", "co2_moer") != "co2_moer":
            raise self.problem(400, "Invalid signal_type")
        match call.path:
            case "/v3/region-from-loc":
                return self._region(asked)
            case "/v3/historical":
                return self._historical(asked)
            case "/v3/forecast":
                return self._forecast(asked)
        raise self.problem(404, "Not Found")

    def _log_in(self, header: str) -> Json:
        kind, _, text = header.partition(" ")
        try:
            pair = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            pair = ""
        if kind != "Basic" or pair != f"{USER}:{self.state.key}":
            raise self.problem(403, "Forbidden")
        token = self._chance.text(64)
        tokens = self.state.more.setdefault("tokens", {})
        tokens[token] = (self.timeline.now() + TOKEN_LIFE).isoformat()
        return {"token": token}

    def _let_in(self, header: str) -> None:
        kind, _, token = header.partition(" ")
        until = self.state.more.get("tokens", {}).get(token)
        if kind != "Bearer" or until is None or datetime.fromisoformat(until) <= self.timeline.now():
            raise self.problem(401, "Unauthorized")

    def _region(self, asked: dict[str, str]) -> Json:
        try:
            latitude, longitude = float(asked["latitude"]), float(asked["longitude"])
        except (KeyError, ValueError):
            raise self.problem(400, "Bad Request") from None
        for south, north, region in _BANDS:
            if south <= latitude < north and _WEST <= longitude < _EAST:
                return {"signal_type": "co2_moer", "region": region, "region_full_name": f"Region {region}"}
        raise self.problem(404, "Coordinates not found")

    def _historical(self, asked: dict[str, str]) -> Json:
        since, until = second_of(asked.get("start", "")), second_of(asked.get("end", ""))
        if since is None or until is None or not 0 <= until - since <= WINDOW_S:
            raise self.problem(400, "start and end must be at most 32 days apart")
        now_s = int(self.timeline.now().timestamp())
        first = -(-since // STEP_S) * STEP_S
        return self._told(asked, first, min(until, now_s - STEP_S + 1), 1.0)

    def _forecast(self, asked: dict[str, str]) -> Json:
        now_s = int(self.timeline.now().timestamp())
        first = now_s // STEP_S * STEP_S
        hours = int(asked.get("horizon_hours", HORIZON_H))
        told = self._told(asked, first, first + hours * 3_600, FORECAST_FACTOR)
        told["meta"]["generated_at"] = instant_at(first).isoformat()
        return told

    def _told(self, asked: dict[str, str], first: int, until: int, factor: float) -> Json:
        region = asked.get("region")
        if region not in {NORTH, SOUTH, COLUMBIA}:
            raise self.problem(404 if region else 400, "Region not found")
        values = ((at, self.state.truth.grams_at(at)) for at in range(first, until, STEP_S))
        data = [
            {"point_time": instant_at(at).isoformat(), "value": round(grams * factor / POUND_G * 1_000, 3)}
            for at, grams in values
            if grams is not None
        ]
        return {
            "data": data,
            "meta": {
                "data_point_period_seconds": STEP_S,
                "region": region,
                "signal_type": "co2_moer",
                "units": "lbs_co2_per_mwh",
                "warnings": [],
                "model": {"date": "2023-03-01"},
            },
        }
