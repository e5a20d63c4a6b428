"""For each signal one source: a provider before files, and Electricity Maps before EIA."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from nerava.grid_sources import grid_of
from nerava.kernel.clock import SystemClock
from nerava.platform.db import Database
from nerava.platform.outbound import Surroundings
from nerava.settings import Settings
from nerava.settings.grid import EiaSettings, EmapsSettings, GridSettings, UrdbSettings, WattTimeSettings
from nerava.startup_checks.providers import providers

HERE = "http://127.0.0.1:4010"
MOVED = GridSettings(files="moved")
WATTTIME = WattTimeSettings(mode="simulator", username="we", key=SecretStr("k" * 8), base_url=HERE)
EMAPS = EmapsSettings(mode="simulator", key=SecretStr("k" * 8), base_url=HERE)
EIA = EiaSettings(mode="simulator", key=SecretStr("k" * 8), base_url=HERE)
URDB = UrdbSettings(mode="simulator", key=SecretStr("k" * 8), base_url=HERE)


@pytest.mark.parametrize(
    ("groups", "carbon", "tariffs"),
    [
        ({}, [], None),
        ({"grid": MOVED}, ["files"], "files"),
        ({"grid": MOVED, "watttime": WATTTIME, "urdb": URDB}, ["watttime"], "urdb"),
        ({"eia": EIA}, ["eia"], None),
        ({"grid": MOVED, "eia": EIA, "emaps": EMAPS}, ["files", "electricity-maps"], "files"),
    ],
)
def test_a_source_for_each_signal_is_chosen_by_what_is_on(
    groups: dict[str, object], carbon: list[str], tariffs: str | None, tmp_path: Path
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'unused.sqlite3'}")
    settings = Settings(env="test", data_dir=tmp_path, **groups)  # type: ignore[arg-type]
    sources = grid_of(settings, database, SystemClock(), Surroundings())
    told = sources.tariffs
    assert ([one.source for one in sources.carbon], told and told.source) == (carbon, tariffs)
    assert len(sources.jobs()) == 3
    sources.close()
    database.close()


def test_production_refuses_what_was_recorded_years_ago_and_another_host_than_the_provider_s() -> None:
    elsewhere = EiaSettings(mode="live", key=SecretStr("k" * 8), base_url="https://eia.example")
    strict = Settings(env="production", grid=MOVED, eia=elsewhere, watttime=WATTTIME)
    assert {one.setting for one in providers(strict)} >= {
        "NERAVA_GRID__FILES",
        "NERAVA_EIA__BASE_URL",
        "NERAVA_WATTTIME__MODE",
    }


def test_watttime_needs_an_account() -> None:
    with pytest.raises(ValidationError, match="username is needed"):
        WattTimeSettings(mode="live", key=SecretStr("k" * 8))
