"""The simulated Alternative Fuel Stations API and our adapter of it, over real HTTP and on one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from nerava.integrations.nlr.api import NlrApi
from nerava.integrations.nlr.directory import NlrLocations
from nerava.kernel.clock import FixedClock
from nerava.platform.outbound import Surroundings
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
CLOCK = FixedClock(NOON)


@dataclass
class Desk:
    """What a test of the adapter holds."""

    simulators: Simulators
    clock: FixedClock
    open_api: Callable[..., NlrApi]

    @property
    def api(self) -> NlrApi:
        """A connection of its own, which shares nothing."""
        return self.open_api()

    @property
    def locations(self) -> NlrLocations:
        """The directory over such a connection."""
        return NlrLocations(self.api)

    def asked(self, path: str = "") -> int:
        """How many calls the provider saw."""
        return sum(path in one.path for one in self.simulators.requests("nlr"))

    def wait(self, **by: float) -> None:
        """Let time go by, for both sides."""
        self.simulators.advance(timedelta(**by))


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with running_simulators(seed=7, clock=CLOCK) as simulators:
        yield simulators


@pytest.fixture
def desk(running: Simulators) -> Iterator[Desk]:
    running.reset(7)
    CLOCK.move_to(NOON)
    opened: list[NlrApi] = []

    def open_api(
        surroundings: Surroundings | None = None, key: str | None = None, url: str | None = None
    ) -> NlrApi:
        base_url = url or running.url_of("nlr")
        api = NlrApi(
            key or running.nlr.key,
            base_url=base_url,
            now=CLOCK.now,
            surroundings=surroundings,
            pause=lambda _seconds: None,
        )
        opened.append(api)
        return api

    yield Desk(running, CLOCK, open_api)
    for api in opened:
        api.close()
