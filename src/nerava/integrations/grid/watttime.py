"""WattTime v3: what one more kilowatt-hour emits, every five minutes, in pounds per megawatt-hour."""

from __future__ import annotations

import base64
import threading
import time
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from nerava.grid.carbon import Interval, Signal, Unit, mg_per_kwh
from nerava.integrations.grid.asking import (
    NO_PLACE,
    NOT_FOUND,
    drift,
    instant_of,
    number_of,
    outcome_of,
)
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused
from nerava.platform.live_secrets import Given, live
from nerava.platform.outbound import Outbound, Reply, Result, Surroundings, ask_with
from nerava.platform.provider_calls import WATTTIME_READ

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nerava.kernel.geography import Point

BASE_URL: Final = "https://api.watttime.org"
PROVIDER: Final = "watttime"
SIGNAL: Final = "co2_moer"
UNITS: Final = "lbs_co2_per_mwh"
PAGE: Final = timedelta(days=30)
TOKEN_LIFE: Final = timedelta(minutes=25)
"""A token lives for half an hour; one that is nearly over is not begun with."""

STEP_S_MAX: Final = 86_400


class WattTime:
    """`CarbonSource` over WattTime. A token that ends in the middle of a read is asked for anew."""

    source = PROVIDER
    signal = Signal.MARGINAL
    every = timedelta(minutes=15)
    corrects_within = timedelta(days=1)

    def __init__(
        self,
        username: str,
        password: Given,
        *,
        base_url: str = BASE_URL,
        now: Callable[[], datetime],
        surroundings: Surroundings | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._username = username
        self._password = live(password)
        self._now = now
        self._outbound = Outbound(base_url, now=now, surroundings=surroundings, pause=pause)
        self._lock = threading.Lock()
        self._token = ""
        self._good_until: datetime | None = None

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def region_at(self, place: Point | None) -> Outcome[str]:
        """Return the balancing region of a place."""
        if place is None:
            return Refused(NO_PLACE)
        told = self._read(
            "/v3/region-from-loc",
            [
                ("latitude", f"{place.latitude:.5f}"),
                ("longitude", f"{place.longitude:.5f}"),
                ("signal_type", SIGNAL),
            ],
        )
        if not isinstance(told, Ok):
            return told
        region = told.value.get("region")
        return Ok(region) if isinstance(region, str) and region else drift(PROVIDER, "region")

    def series(self, region: str, since: datetime, until: datetime) -> Outcome[Sequence[Interval]]:
        """Return what was measured until now, thirty days a call, and what is forecast after that."""
        now, found = self._now(), list[Interval]()
        at = since
        while at < min(until, now):
            end = min(at + PAGE, until, now)
            query = [("region", region), ("start", _text(at)), ("end", _text(end)), ("signal_type", SIGNAL)]
            page = self._points("/v3/historical", query, is_settled=True)
            if isinstance(page, Refused) and page.code == NOT_FOUND:
                page = Ok([])
            if not isinstance(page, Ok):
                return page
            found += page.value
            at = end
        if until > now:
            hours = min(72, -(-(until - now) // timedelta(hours=1)))
            query = [("region", region), ("signal_type", SIGNAL), ("horizon_hours", str(hours))]
            ahead = self._points("/v3/forecast", query, is_settled=False)
            # A plan may have no forecasts; what was measured is worth having all the same.
            if isinstance(ahead, Ok):
                found += [one for one in ahead.value if one.starts_at < until]
        return Ok(found)

    def _points(
        self, path: str, query: Sequence[tuple[str, str]], *, is_settled: bool
    ) -> Outcome[list[Interval]]:
        told = self._read(path, query)
        if not isinstance(told, Ok):
            return told
        meta, data = told.value.get("meta"), told.value.get("data")
        if not isinstance(meta, dict) or not isinstance(data, list):
            return drift(PROVIDER, "meta")
        step = meta.get("data_point_period_seconds")
        if meta.get("units") != UNITS or meta.get("signal_type", SIGNAL) != SIGNAL:
            return drift(PROVIDER, "units")
        if type(step) is not int or not 0 < step <= STEP_S_MAX:
            return drift(PROVIDER, "data_point_period_seconds")
        found = [_interval(one, timedelta(seconds=step), is_settled=is_settled) for one in data]
        return drift(PROVIDER, "data") if None in found else Ok([one for one in found if one is not None])

    def _read(self, path: str, query: Sequence[tuple[str, str]]) -> Outcome[dict[str, Any]]:
        token = self._fresh("")
        if not isinstance(token, Ok):
            return token
        result = self._ask(path, query, token.value)
        if isinstance(result, Reply) and result.status == HTTPStatus.UNAUTHORIZED:
            token = self._fresh(token.value)
            if not isinstance(token, Ok):
                return token
            result = self._ask(path, query, token.value)
        return outcome_of(result, PROVIDER)

    def _ask(self, path: str, query: Sequence[tuple[str, str]], token: str) -> Result:
        headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        return self._outbound.ask("GET", path, WATTTIME_READ.call, query=query, headers=headers)

    def _fresh(self, refused: str) -> Outcome[str]:
        """Return a token that is not the one that was refused; one thread asks for it."""
        with self._lock:
            is_good = self._good_until is not None and self._now() < self._good_until
            if is_good and self._token != refused:
                return Ok(self._token)
            told = outcome_of(ask_with(self._password, self._log_in), PROVIDER)
            if not isinstance(told, Ok):
                return told
            token = told.value.get("token")
            if not isinstance(token, str) or not token:
                return Misconfigured("no-token", "WattTime gives no token for the account that is set")
            self._token, self._good_until = token, self._now() + TOKEN_LIFE
            return Ok(token)

    def _log_in(self, password: str) -> Result:
        pair = base64.b64encode(f"{self._username}:{password}".encode()).decode()
        headers = {"authorization": f"Basic {pair}", "accept": "application/json"}
        return self._outbound.ask("GET", "/login", WATTTIME_READ.call, headers=headers)


def _interval(told: object, step: timedelta, *, is_settled: bool) -> Interval | None:
    row = told if isinstance(told, dict) else {}
    starts_at, value = instant_of(row.get("point_time")), number_of(row.get("value"))
    mg = None if value is None else mg_per_kwh(value, Unit.LB_PER_MWH)
    return None if starts_at is None or mg is None else Interval(starts_at, starts_at + step, mg, is_settled)


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
