"""A counter on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nerava.platform.db import Database
from tests.settlements.counter import Counter, open_counter


@pytest.fixture
def counter(database: Database) -> Iterator[Counter]:
    """A merchant in Chicago; its books are clean when the test is over."""
    with open_counter(database) as opened:
        yield opened
        assert opened.findings() == []
