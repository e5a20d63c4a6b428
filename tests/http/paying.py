"""A house whose provider of payments is the simulated Stripe, and a clock that both go by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from nerava.demo.provider import settings_of
from nerava.installation import background_of
from nerava.kernel.clock import FixedClock
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from nerava.worker import PROVIDERS
from tests.http.conftest import House, opened_house

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Counter:
    """Where money comes in and goes out: the house, its provider, and their time."""

    house: House
    world: Simulators
    clock: FixedClock

    def work(self, rounds: int = 12) -> None:
        """Let the work with providers go round for a while; nothing here waits for ever."""
        background = background_of(self.house.installation)
        for _ in range(rounds):
            background.round(PROVIDERS)
            self.clock.move_to(self.clock.now() + timedelta(seconds=6))

    def wait(self, rounds: int = 12, **span: float) -> None:
        """Let time pass, then work."""
        self.world.advance(timedelta(**span))
        self.work(rounds)

    def bring(self, kind: str | None = None, *, times: int = 1) -> list[Any]:
        """Bring what the provider has to tell, so often, and return the answers."""
        return [
            self.house.client.post("/webhooks/stripe", content=sending.body, headers=sending.headers)
            for sending in self.world.webhooks.take(kind)
            for _ in range(times)
        ]


@contextmanager
def opened_counter(url: str, folder: Path) -> Iterator[Counter]:
    """Open a house that is paid by Stripe and pays by it."""
    clock = FixedClock(START)
    with (
        running_simulators(clock=clock, by_hand=True) as world,
        opened_house(url, folder, clock, stripe=settings_of(world)) as house,
    ):
        yield Counter(house, world, clock)
