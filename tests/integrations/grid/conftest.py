"""Adapters of the grid's sources before their simulators, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nerava.integrations.grid.eia import Eia
from nerava.integrations.grid.electricity_maps import ElectricityMaps
from nerava.integrations.grid.urdb import Urdb
from nerava.integrations.grid.watttime import WattTime
from nerava.kernel.clock import FixedClock
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators

NOON = datetime(2026, 11, 2, 20, tzinfo=UTC)
"""In Los Angeles."""


@dataclass
class Grid:
    """The sources and what they speak with."""

    simulators: Simulators
    clock: FixedClock
    watttime: WattTime
    emaps: ElectricityMaps
    eia: Eia
    urdb: Urdb

    @property
    def now(self) -> datetime:
        """The instant that the clock shows."""
        return self.clock.now()

    def move_on(self, **by: int) -> None:
        """Let time pass."""
        self.clock.move_to(self.now + timedelta(**by))


@pytest.fixture(scope="session")
def clock() -> FixedClock:
    """One clock for simulators and adapters."""
    return FixedClock(NOON)


@pytest.fixture(scope="session")
def running(clock: FixedClock) -> Iterator[Simulators]:
    """One server for all tests of the package."""
    with running_simulators(seed=7, clock=clock) as simulators:
        yield simulators


@pytest.fixture
def grid(running: Simulators, clock: FixedClock) -> Iterator[Grid]:
    """A new world at noon, and sources that know its keys."""
    clock.move_to(NOON)
    running.reset(7)
    shared: dict[str, Any] = {"now": clock.now, "pause": lambda _seconds: None}
    url: Callable[[str], str] = running.url_of
    key = running.grid.key
    opened = Grid(
        running,
        clock,
        WattTime(running.grid.username, key("watttime"), base_url=url("watttime"), **shared),
        ElectricityMaps(key("emaps"), base_url=url("emaps"), **shared),
        Eia(key("eia"), "CISO", base_url=url("eia"), **shared),
        Urdb(key("urdb"), base_url=url("urdb"), **shared),
    )
    yield opened
    for source in (opened.watttime, opened.emaps, opened.eia, opened.urdb):
        source.close()
