"""Eighty thousand chargers and 215,000 places come in within five minutes each, in less than a gibibyte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.databases import DatabaseUrl

SECONDS_MAX = 300
MEBIBYTES_MAX = 1_024


@pytest.mark.chaos
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_country_of_chargers_and_places_comes_in(database_url: DatabaseUrl, dialect: str) -> None:
    with database_url(dialect) as url:
        program = [sys.executable, str(Path(__file__).with_name("country.py")), url]
        done = subprocess.run(program, capture_output=True, text=True, timeout=3_600, check=False)

    assert done.returncode == 0, done.stderr
    measured = [json.loads(line) for line in done.stdout.splitlines()]
    print(*measured, sep="\n")  # noqa: T201 - the measurement is the point
    assert [(one["feed"], one["added"], one["merged"]) for one in measured] == [
        ("osm", 215_000, 0),
        ("nlr", 80_000, 0),
        ("ocm", 8_000, 8_000),
    ]
    for one in measured:
        assert one["seconds"] <= SECONDS_MAX, one
        assert one["mebibytes"] <= MEBIBYTES_MAX, one
