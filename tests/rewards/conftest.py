"""The house that tests of rewards live in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nerava.platform.db import Database
from tests.rewards.house import House


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    """A house on each database; whatever a test does, its books must be whole at the end."""
    opened = House(database)
    yield opened
    opened.close()
