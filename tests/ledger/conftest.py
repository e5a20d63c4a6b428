"""What the tests of the ledger start from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nerava.platform.db import Database
from tests.helpers.financial_helpers import findings
from tests.ledger.houses import House


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    """A small house; its books are clean when the test is over."""
    opened = House(database)
    yield opened
    opened.ledger.close()
    assert findings(database) == []
