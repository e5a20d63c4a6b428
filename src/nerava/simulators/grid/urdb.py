"""The simulated Utility Rate Database: one utility's tariffs, of yesterday, today and tomorrow."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.grid.engine import GridEngine, GridProblem

if TYPE_CHECKING:
    from nerava.simulators.wire import Call, Json

UTILITY: Final = "Southern California Edison Co"
NAME: Final = "TOU-EV-8"
LIMIT_MAX: Final = 500
_MIDDLE, _DEAR = 1, 2
_WINTER: Final = [_MIDDLE] * 8 + [0] * 8 + [_DEAR] * 5 + [_MIDDLE] * 3
_SUMMER: Final = [_MIDDLE] * 16 + [_DEAR] * 5 + [_MIDDLE] * 3
_WEEKEND: Final = [_MIDDLE] * 24
_SUMMER_MONTHS: Final = range(5, 9)


class UrdbEngine(GridEngine):
    """Answers like api.openei.org for a place in Southern California; elsewhere it knows nothing."""

    name = "urdb"

    def problem(self, status: int, code: str | None) -> GridProblem:
        """Return an error of this status."""
        word = code or {403: "API_KEY_INVALID", 429: "OVER_RATE_LIMIT"}.get(status, f"ERROR_{status}")
        return GridProblem(status, {"error": {"code": word, "message": "See openei.org."}})

    def read(self, call: Call, given: list[tuple[str, str]]) -> Json:
        """Answer a call."""
        asked = dict(given)
        if asked.get("api_key") != self.state.key:
            raise self.problem(403, "API_KEY_INVALID" if "api_key" in asked else "API_KEY_MISSING")
        if call.path != "/utility_rates" or asked.get("version") != "7" or asked.get("format") != "json":
            raise self.problem(404, None)
        limit, offset = int(asked.get("limit", 50)), int(asked.get("offset", 0))
        if not 0 < limit <= LIMIT_MAX:
            raise self.problem(400, None)
        found = [one for one in self._rates() if one["revised"] >= int(asked.get("modified_after", 0))]
        if not self._is_here(asked):
            found = []
        return {"items": [_shown(one) for one in found[offset : offset + limit]]}

    def _is_here(self, asked: dict[str, str]) -> bool:
        try:
            return 32.5 <= float(asked["lat"]) < 36 and -121 <= float(asked["lon"]) < -114  # noqa: PLR2004 - its area
        except (KeyError, ValueError):
            raise self.problem(400, None) from None

    def _rates(self) -> list[Json]:
        """Return versions that ended, overlap or begin tomorrow, a tariff by demand, one without hours."""
        today = self.timeline.now().replace(hour=0, minute=0, second=0, microsecond=0)

        def day(days: int) -> int:
            return round((today + timedelta(days=days)).timestamp())

        return [
            _rate("ended", day(-800), day(-401), 0.10),
            _rate("first", day(-400), None, 0.12),
            _rate("second", day(-100), None, 0.14),
            _rate("tomorrow", day(1), None, 0.99),
            _rate("by-demand", day(-400), None, 0.12) | {"name": "GS-2", "unit": "kWh daily"},
            {**_rate("hourless", day(-400), None, 0.12), "name": "Flat", "energyweekdayschedule": None},
        ]


def _rate(label: str, starts: int, ends: int | None, price: float) -> Json:
    prices: list[Any] = [[price / 2], [price], [price * 4, price * 5]]
    rate: Json = {
        "label": label,
        "utility": UTILITY,
        "name": NAME,
        "sector": "Commercial",
        "approved": True,
        "startdate": starts,
        "revised": starts,
        "prices": prices,
        "energyweekdayschedule": [_SUMMER if month in _SUMMER_MONTHS else _WINTER for month in range(12)],
        "energyweekendschedule": [_WEEKEND] * 12,
    }
    return rate if ends is None else rate | {"enddate": ends}


def _shown(rate: Json) -> Json:
    unit = rate.get("unit", "kWh")
    tiers = [
        [
            {"rate": round(price, 5), "adj": 0.01, "unit": unit}
            | ({"max": 500} if number + 1 < len(prices) else {})
            for number, price in enumerate(prices)
        ]
        for prices in rate["prices"]
    ]
    told = {name: value for name, value in rate.items() if name not in {"prices", "unit", "revised"}}
    return told | {"energyratestructure": tiers}
