"""The extract of central Helsinki, and a database that has it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nerava.discovery.importing import run_import
from nerava.discovery.linking import Linker
from nerava.integrations.datasets import default_data_dir
from nerava.integrations.extracts import COUNTRYSIDE, HELSINKI, MapExtract, stored_extract
from nerava.integrations.osm.feed import OsmFeed
from nerava.platform.db import Database


def stored_or_skipped(extract: MapExtract) -> Path:
    """The file of an extract; the test is skipped without it, and fails in CI."""
    found = stored_extract(default_data_dir(), extract)
    if found is None:
        reason = "the map extracts are not there: nerava data fetch --only map"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def helsinki() -> Path:
    return stored_or_skipped(HELSINKI)


@pytest.fixture(scope="session")
def countryside() -> Path:
    return stored_or_skipped(COUNTRYSIDE)


@pytest.fixture(scope="module")
def city(
    helsinki: Path, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database into which Helsinki has been imported, with its ways on foot."""
    path = tmp_path_factory.mktemp("city") / "city.sqlite3"
    shutil.copyfile(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    run_import(database, OsmFeed(helsinki), now=lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))
    Linker(database).run()
    yield database
    database.close()
