"""The simulated sources refuse what the real ones refuse, play a recorded series, and drift is noticed."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nerava.integrations.grid import eia, urdb
from nerava.kernel.geography import Point
from nerava.kernel.outcomes import Ok, Refused, RetryLater, Unknown
from nerava.simulators.errors import NoSuchThing, NotPossible
from tests.integrations.grid.conftest import NOON, Grid

HOUR = timedelta(hours=1)
EIA = "/eia/v2/electricity/rto/fuel-type-data/data/"
EIA_ASKED = {"frequency": "hourly", "data[]": "value", "start": "2026-11-02T00", "end": "2026-11-02T05"}
URDB_ASKED = {"version": "7", "format": "json", "lat": "34", "lon": "-118"}


def asked(grid: Grid, path: str, query: dict[str, str], headers: dict[str, str] | None = None) -> int:
    return httpx2.get(grid.simulators.base_url + path, params=query, headers=headers or {}).status_code


def test_who_asks_wrongly_is_refused(grid: Grid) -> None:
    key = grid.simulators.grid.key
    emaps = {"auth-token": key("emaps")}
    eia, urdb = {"api_key": key("eia")}, {"api_key": key("urdb")}
    assert isinstance(grid.watttime.region_at(Point(36, -120)), Ok)

    refused = {
        "no token": asked(grid, "/watttime/v3/historical", {"region": "LDWP"}),
        "no login": asked(grid, "/watttime/login", {}, {"authorization": "Basic !"}),
        "no emaps token": asked(grid, "/emaps/v3/carbon-intensity/latest", {}),
        "no zone": asked(grid, "/emaps/v3/carbon-intensity/latest", {"zone": "XX"}, emaps),
        "no place": asked(grid, "/emaps/v3/carbon-intensity/latest", {}, emaps),
        "no route": asked(grid, "/emaps/v3/power", {"zone": "US-CAL-CISO"}, emaps),
        "no key": asked(grid, EIA, EIA_ASKED),
        "another key": asked(grid, EIA, {"api_key": "x"}),
        "no data": asked(grid, EIA, eia),
        "too long": asked(grid, EIA, {**EIA_ASKED, **eia, "length": "9999"}),
        "eia route": asked(grid, "/eia/v2/coal", eia),
        "urdb version": asked(grid, "/urdb/utility_rates", urdb),
        "urdb limit": asked(grid, "/urdb/utility_rates", {**URDB_ASKED, **urdb, "limit": "501"}),
        "urdb place": asked(grid, "/urdb/utility_rates", {**URDB_ASKED, **urdb, "lat": "x"}),
        "urdb key": asked(grid, "/urdb/utility_rates", URDB_ASKED),
    }

    assert refused == {
        "no token": 401,
        "no login": 403,
        "no emaps token": 401,
        "no zone": 404,
        "no place": 400,
        "no route": 404,
        "no key": 403,
        "another key": 403,
        "no data": 400,
        "too long": 400,
        "eia route": 404,
        "urdb version": 404,
        "urdb limit": 400,
        "urdb place": 400,
        "urdb key": 403,
    }
    assert asked(grid, EIA, {**EIA_ASKED, **eia, "facets[respondent][]": "ELSEWHERE"}) == 200
    assert httpx2.post(f"{grid.simulators.base_url}/eia/").status_code == 405


def test_a_recorded_series_is_played_as_of_today(grid: Grid, tmp_path: Path) -> None:
    file = tmp_path / "series.csv.gz"
    start = NOON - timedelta(days=364 * 5) - 3 * HOUR
    lines = [f"{start + number * timedelta(minutes=5)},{0.1 + number / 1_000}" for number in range(72)]
    file.write_bytes(gzip.compress("\n".join(["time,kg_per_kwh", *lines, ""]).encode()))

    grid.simulators.grid.play(file)
    said = grid.watttime.series("LDWP", NOON - 3 * HOUR, NOON - 2 * HOUR)

    assert isinstance(said, Ok)
    assert [one.mg_per_kwh for one in said.value[:3]] == [100_000, 101_000, 102_000]
    at = (NOON - 3 * HOUR).isoformat()
    assert grid.simulators.grid.grams("watttime", at) == pytest.approx(100)
    assert grid.simulators.grid.grams("emaps", at) == pytest.approx(105.5)


def test_what_cannot_happen_is_said_and_a_gap_may_close(grid: Grid) -> None:
    by_hand, since = grid.simulators.grid, (NOON - 2 * HOUR).isoformat()
    with pytest.raises(NotPossible):
        by_hand.gap("eia", "yesterday", since)
    with pytest.raises(NotPossible):
        by_hand.correct("eia", since, since, 1)
    with pytest.raises(NoSuchThing):
        by_hand.gap("nlr", since, NOON.isoformat())
    by_hand.gap("watttime", since, NOON.isoformat())
    assert grid.watttime.series("LDWP", NOON - 2 * HOUR, NOON) == Ok([])
    by_hand.close_gaps("watttime")
    assert grid.watttime.series("LDWP", NOON - 2 * HOUR, NOON) != Ok([])


@pytest.mark.parametrize(
    ("provider", "field", "how"),
    [
        ("watttime", "meta", "missing"),
        ("watttime", "meta.data_point_period_seconds", "type"),
        ("watttime", "data.0.point_time", "unknown"),
        ("watttime", "data.0.value", "null"),
        ("emaps", "history", "missing"),
        ("emaps", "history.0.datetime", "unknown"),
        ("emaps", "history.0.carbonIntensity", "type"),
        ("emaps", "temporalGranularity", "unknown"),
        ("eia", "response.total", "unknown"),
        ("eia", "response.data.0.period", "unknown"),
        ("eia", "response.data.0.value-units", "unknown"),
        ("eia", "response.data.0.value", "unknown"),
        ("urdb", "items", "missing"),
    ],
)
def test_an_answer_that_is_not_what_we_know_is_not_believed(
    grid: Grid, provider: str, field: str, how: str
) -> None:
    path = {"watttime": "*/historical", "emaps": "*/history"}.get(provider, "*")
    grid.simulators.faults.add("drift", provider=provider, path=path, field=field, how=how)
    outcomes: dict[str, Any] = {
        "watttime": lambda: grid.watttime.series("LDWP", NOON - HOUR, NOON),
        "emaps": lambda: grid.emaps.series("US-CAL-CISO", NOON - HOUR, NOON),
        "eia": lambda: grid.eia.series("CISO", NOON - 6 * HOUR, NOON),
        "urdb": lambda: grid.urdb.tariffs("34.1,-118.1", None),
    }
    assert isinstance(outcomes[provider](), Unknown)


def test_what_is_not_known_yet_is_no_drift(grid: Grid) -> None:
    grid.simulators.faults.add("drift", provider="eia", field="response.data.0.value", how="null")
    grid.simulators.faults.add(
        "drift", provider="emaps", path="*/history", field="history.0.carbonIntensity", how="null"
    )
    assert isinstance(grid.eia.series("CISO", NOON - 6 * HOUR, NOON), Ok)
    assert isinstance(grid.emaps.series("US-CAL-CISO", NOON - HOUR, NOON), Ok)


def test_a_region_that_is_drift_and_a_login_without_a_token_are_said(grid: Grid) -> None:
    faults = grid.simulators.faults
    faults.add("drift", provider="watttime", path="/login", field="token", how="missing", times=1)
    assert not isinstance(grid.watttime.region_at(Point(36, -120)), Ok)
    faults.add("drift", provider="watttime", path="*/region-from-loc", field="region", how="null")
    faults.add("drift", provider="emaps", path="*/latest", field="zone", how="null")
    assert isinstance(grid.watttime.region_at(Point(36, -120)), Unknown)
    assert isinstance(grid.emaps.region_at(Point(36, -120)), Unknown)
    assert grid.watttime.series("NOWHERE", NOON - HOUR, NOON) == Ok([])


def test_who_does_not_answer_is_asked_later_and_too_much_is_refused(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eia, "PAGE", 1)
    monkeypatch.setattr(eia, "PAGES_MAX", 1)
    monkeypatch.setattr(urdb, "PAGE", 1)
    monkeypatch.setattr(urdb, "PAGES_MAX", 1)
    assert isinstance(grid.eia.series("CISO", NOON - 6 * HOUR, NOON), Refused)
    assert isinstance(grid.urdb.tariffs("34.1,-118.1", None), Refused)
    grid.simulators.faults.add("cut", provider="eia", how="length")
    assert isinstance(grid.eia.series("CISO", NOON - 6 * HOUR, NOON), RetryLater)
