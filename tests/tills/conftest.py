"""Markets: one that all tests of a module share, each with stalls of its own, and fresh ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.databases import fresh_databases
from tests.tills.market import Market, opened_market


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """A market for a module."""
    folder = tmp_path_factory.mktemp("market")
    with fresh_databases(request, folder)("sqlite") as url, opened_market(url, folder) as opened:
        yield opened


@pytest.fixture
def market(shared: Market) -> Iterator[Market]:
    """The market of the module, with nothing left over from other tests."""
    yield shared
    shared.world.faults.heal()
    shared.world.webhooks.take()


@pytest.fixture
def both(url: str, tmp_path: Path) -> Iterator[Market]:
    """A fresh market, on both databases."""
    with opened_market(url, tmp_path) as opened:
        yield opened
