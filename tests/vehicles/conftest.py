"""Garages that all tests of a module share; each test has cars of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.databases import fresh_databases
from tests.vehicles.garage import Garage, opened_garage


def _opened(request: pytest.FixtureRequest, folder: Path, version: int) -> Iterator[Garage]:
    with fresh_databases(request, folder)("sqlite") as url, opened_garage(url, folder, version) as opened:
        yield opened
        assert opened.house.findings() == []


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Garage]:
    """A garage over the third interface."""
    yield from _opened(request, tmp_path_factory.mktemp("third"), 3)


@pytest.fixture(scope="module")
def second(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Garage]:
    """A garage over the second interface."""
    yield from _opened(request, tmp_path_factory.mktemp("second"), 2)


@pytest.fixture
def garage(shared: Garage) -> Iterator[Garage]:
    """The garage of the module, with no cars of other tests in it."""
    yield shared
    shared.part()
