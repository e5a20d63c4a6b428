"""Good configurations to boot, and which of the bad ones the quick form boots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.startup.booting import Configuration, production


@pytest.fixture
def sqlite_url(database_url: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    """Address of a fresh migrated SQLite file."""
    with database_url("sqlite") as url:
        yield url


@pytest.fixture
def good(tmp_path: Path, sqlite_url: str) -> Configuration:
    """A production on one SQLite file that starts."""
    return production(tmp_path, sqlite_url, NERAVA_SINGLE_NODE="true")
