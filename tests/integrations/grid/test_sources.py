"""WattTime, Electricity Maps, EIA and URDB become one form, and what they get wrong becomes nothing."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from nerava.grid.carbon import Signal
from nerava.grid.tariffs import TariffName, in_force
from nerava.integrations.grid import eia as eia_module
from nerava.integrations.grid import urdb as urdb_module
from nerava.kernel.geography import Point
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from tests.integrations.grid.conftest import NOON, Grid

PASADENA = Point(34.1377, -118.1253)
FRESNO = Point(36.7378, -119.7871)
BORDER = (Point(41.999, -120.0), Point(42.001, -120.0))
PARIS = Point(48.8566, 2.3522)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def value(outcome: Outcome[Any]) -> Any:
    assert isinstance(outcome, Ok), outcome
    return outcome.value


@pytest.mark.trap("G1")
def test_each_source_says_the_same_of_the_grid_in_its_own_unit(grid: Grid) -> None:
    at = NOON - 5 * HOUR
    for provider in ("watttime", "emaps", "eia"):
        grid.simulators.grid.correct(provider, at.isoformat(), (at + HOUR).isoformat(), 217.5)

    said = {
        source.source: {one.mg_per_kwh for one in value(source.series(name, at, at + HOUR)) if one.starts_at >= at}
        for source, name in ((grid.watttime, "CAISO_NORTH"), (grid.emaps, "US-CAL-CISO"), (grid.eia, "CISO"))
    }  # fmt: skip

    assert said == {"watttime": {217_500}, "electricity-maps": {218_000}, "eia": {217_500}}


@pytest.mark.trap("G1")
def test_another_unit_than_the_one_we_know_and_what_no_grid_emits_are_drift(grid: Grid) -> None:
    at = NOON - 5 * HOUR
    grid.simulators.grid.correct("watttime", at.isoformat(), (at + HOUR).isoformat(), 3_001)
    assert grid.watttime.series("CAISO_NORTH", at, at + HOUR) == Unknown("schema-drift:data")

    grid.simulators.faults.add(
        "drift", provider="watttime", path="/v3/historical", field="meta.units", how="unknown"
    )
    assert isinstance(grid.watttime.series("CAISO_NORTH", NOON - 3 * HOUR, NOON - HOUR), Unknown)


@pytest.mark.trap("G2")
def test_what_a_source_means_is_said_by_it(grid: Grid) -> None:
    said = {one.source: one.signal for one in (grid.watttime, grid.emaps, grid.eia)}
    assert said == {
        "watttime": Signal.MARGINAL,
        "electricity-maps": Signal.AVERAGE,
        "eia": Signal.AVERAGE,
    }


@pytest.mark.trap("G4")
def test_what_was_forecast_is_told_apart_and_history_says_something_else(grid: Grid) -> None:
    ahead = value(grid.watttime.series("CAISO_NORTH", NOON, NOON + HOUR))
    assert {one.is_settled for one in ahead} == {False}
    assert (ahead[0].starts_at, len(ahead)) == (NOON, 12)

    grid.move_on(hours=2)
    behind = value(grid.watttime.series("CAISO_NORTH", NOON, NOON + HOUR))

    assert {one.is_settled for one in behind} == {True}
    assert [one.starts_at for one in behind] == [one.starts_at for one in ahead]
    assert all(was.mg_per_kwh > came.mg_per_kwh for was, came in zip(ahead, behind, strict=True))


@pytest.mark.trap("G4")
def test_what_electricity_maps_estimates_is_not_settled(grid: Grid) -> None:
    hours = value(grid.emaps.series("US-CAL-CISO", NOON - DAY, NOON + 3 * HOUR))

    settled = [one.starts_at for one in hours if one.is_settled]
    assert settled == [NOON - number * HOUR for number in range(24, 2, -1)]
    assert [one.starts_at for one in hours][-6:] == [NOON + number * HOUR for number in range(-3, 3)]


@pytest.mark.trap("G5")
def test_a_token_that_ends_between_two_pages_is_asked_for_anew(grid: Grid) -> None:
    grid.simulators.faults.add("auth", provider="watttime", path="/v3/historical", nth=2)

    long_ago = value(grid.watttime.series("CAISO_NORTH", NOON - 31 * DAY, NOON))

    assert len(long_ago) == 31 * 288
    paths = [one.path for one in grid.simulators.requests("watttime")]
    assert paths.count("/login") == 2
    assert paths.count("/v3/historical") == 3


@pytest.mark.trap("G5")
def test_a_token_is_kept_for_less_than_half_an_hour_and_a_wrong_password_is_for_a_person(grid: Grid) -> None:
    for minutes in (0, 20, 20):
        grid.move_on(minutes=minutes)
        value(grid.watttime.region_at(FRESNO))
    paths = [one.path for one in grid.simulators.requests("watttime")]
    assert paths.count("/login") == 2

    grid.simulators.grid.end_tokens()
    value(grid.watttime.region_at(FRESNO))
    grid.simulators.reset(8)
    assert isinstance(grid.watttime.region_at(FRESNO), Misconfigured)


@pytest.mark.trap("G6")
def test_of_a_utilitys_versions_the_one_of_the_day_holds(grid: Grid) -> None:
    region = value(grid.urdb.region_at(PASADENA))
    tariffs = value(grid.urdb.tariffs(region, None))

    called = TariffName("Southern California Edison Co", "TOU-EV-8")
    assert {one.called for one in tariffs} == {called}
    assert {one.reference for one in tariffs} == {"ended", "first", "second", "tomorrow"}
    held = {days: in_force(tariffs, NOON.date() + timedelta(days=days)) for days in (-500, -200, 0, 1)}
    assert {days: one.reference for days, one in held.items() if one} == {
        -500: "ended",
        -200: "first",
        0: "second",
        1: "tomorrow",
    }
    assert in_force(tariffs, date(2020, 1, 1)) is None
    now = held[0]
    assert now is not None
    winter_evening = NOON.replace(hour=17)
    assert now.price_at(winter_evening) == Decimal("0.57")
    assert now.price_at(winter_evening, Decimal(500)) == Decimal("0.71")


def test_tariffs_are_read_page_by_page_and_later_only_what_changed(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urdb_module, "PAGE", 2)
    assert len(value(grid.urdb.tariffs("34.1,-118.1", None))) == 4
    assert len(grid.simulators.requests("urdb")) == 4
    changed = value(grid.urdb.tariffs("34.1,-118.1", NOON - 150 * DAY))
    assert [one.reference for one in changed] == ["second", "tomorrow"]
    assert value(grid.urdb.tariffs("48.8,2.3", None)) == []


@pytest.mark.trap("G7")
def test_two_hours_that_nobody_knows_are_left_out(grid: Grid) -> None:
    start = NOON - 6 * HOUR
    for source, name, provider in (
        (grid.watttime, "CAISO_NORTH", "watttime"),
        (grid.emaps, "US-CAL-CISO", "emaps"),
        (grid.eia, "CISO", "eia"),
    ):
        grid.simulators.grid.gap(provider, start.isoformat(), (start + 2 * HOUR).isoformat())
        series = value(source.series(name, start - HOUR, start + 3 * HOUR))

        assert not [one for one in series if start <= one.starts_at < start + 2 * HOUR], provider
        known = sum((one.ends_at - one.starts_at for one in series), timedelta())
        assert known >= 2 * HOUR, provider


@pytest.mark.trap("G8")
def test_regions_follow_the_place_and_a_step_over_the_border_is_another_one(grid: Grid) -> None:
    assert [value(grid.watttime.region_at(one)) for one in BORDER] == ["CAISO_NORTH", "BPA"]
    assert [value(grid.emaps.region_at(one)) for one in BORDER] == ["US-CAL-CISO", "US-NW-BPAT"]
    assert value(grid.watttime.region_at(PASADENA)) == "LDWP"
    assert value(grid.eia.region_at(PARIS)) == "CISO"
    for source in (grid.watttime, grid.emaps):
        assert isinstance(source.region_at(PARIS), Refused)
        assert isinstance(source.region_at(None), Refused)
    assert isinstance(grid.urdb.region_at(None), Refused)


@pytest.mark.trap("G9")
def test_a_key_in_an_address_is_in_no_log_no_outcome_and_no_error(
    grid: Grid, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    keys = {name: grid.simulators.grid.key(name) for name in ("eia", "urdb")}
    outcomes = [grid.eia.series("CISO", NOON - HOUR, NOON), grid.urdb.tariffs("34.1,-118.1", None)]
    for provider in keys:
        for status in (403, 500):
            grid.simulators.faults.add(
                "status", provider=provider, status=status, times=3 if status == 500 else 1
            )
            outcomes += [grid.eia.series("CISO", NOON - HOUR, NOON), grid.urdb.tariffs("34.1,-118.1", None)]
        grid.simulators.faults.add(
            "drift", provider=provider, times=1, field="items" if provider == "urdb" else "response"
        )
        outcomes += [grid.eia.series("CISO", NOON - HOUR, NOON), grid.urdb.tariffs("34.1,-118.1", None)]

    kinds = {type(one) for one in outcomes}
    assert {Ok, Misconfigured, RetryLater} <= kinds
    for key in keys.values():
        assert key not in repr(outcomes)
        assert key not in "\n".join(
            f"{one.getMessage()} {one.__dict__} {one.exc_text}" for one in caplog.records
        )


def test_generation_is_read_page_by_page(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = value(grid.eia.series("CISO", NOON - DAY, NOON))
    monkeypatch.setattr(eia_module, "PAGE", 7)

    assert value(grid.eia.series("CISO", NOON - DAY, NOON)) == whole
    assert [one.ends_at - one.starts_at for one in whole] == [HOUR] * len(whole)
    assert len(whole) > 20


@pytest.mark.parametrize(
    ("kind", "details", "expected"),
    [
        ("status", {"status": 503}, RetryLater),
        ("status", {"status": 401}, Misconfigured),
        ("status", {"status": 400}, Refused),
        ("wrong_type", {}, Unknown),
    ],
)
def test_what_goes_wrong_has_a_word(
    grid: Grid, kind: str, details: dict[str, Any], expected: type[object]
) -> None:
    for provider in ("watttime", "emaps", "eia", "urdb"):
        grid.simulators.faults.add(kind, provider=provider, **details)
    for outcome in (
        grid.watttime.series("CAISO_NORTH", NOON - HOUR, NOON),
        grid.emaps.series("US-CAL-CISO", NOON - HOUR, NOON),
        grid.eia.series("CISO", NOON - HOUR, NOON),
        grid.urdb.tariffs("34.1,-118.1", None),
    ):
        assert isinstance(outcome, expected), outcome


def test_a_plan_without_forecasts_still_has_history(grid: Grid) -> None:
    for provider in ("watttime", "emaps"):
        grid.simulators.faults.add("status", provider=provider, path="*forecast", status=403)

    assert {one.is_settled for one in value(grid.watttime.series("LDWP", NOON - HOUR, NOON + HOUR))} == {True}
    assert value(grid.emaps.series("US-CAL-CISO", NOON - DAY, NOON + HOUR))
