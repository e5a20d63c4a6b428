"""A till on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nerava.platform.db import Database
from tests.payouts.till import Till, open_till


@pytest.fixture
def till(database: Database, tmp_path: Path) -> Iterator[Till]:
    """A house that pays out; its books are clean when the test is over."""
    with open_till(database, tmp_path) as opened:
        yield opened
        assert opened.findings() == []
