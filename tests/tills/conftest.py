"""Markets: one that most tests share, each with stalls of its own, and fresh ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.databases import fresh_databases
from tests.tills.market import Market, opened_market


@pytest.fixture(scope="package")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """A market for all tests that need none of their own."""
    folder = tmp_path_factory.mktemp("market")
    with fresh_databases(request, folder)("sqlite") as url, opened_market(url, folder) as opened:
        yield opened


@pytest.fixture
def market(shared: Market) -> Iterator[Market]:
    """The market that tests share, with nothing left over from other tests."""
    yield shared
    shared.part()


@pytest.fixture
def both(url: str, tmp_path: Path) -> Iterator[Market]:
    """A fresh market, on both databases."""
    with opened_market(url, tmp_path) as opened:
        yield opened
