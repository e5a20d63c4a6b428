"""The year itself: an installation with a simulated Stripe, a clock, people, and days that pass."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio.from_thread
from starlette.testclient import TestClient

from nerava.demo.provider import settings_of
from nerava.identity.roles import Role
from nerava.installation import jobs_of
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.ledger.audit import audit
from nerava.simulators.serving import running_simulators
from nerava.web.checks import CHECKS
from nerava.worker import PROVIDERS, BackgroundWork
from tests.e2e.people import Person
from tests.http.conftest import House, opened_house

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from nerava.simulators.handle import Simulators
    from tests.e2e.size import Size

MORNING = time(6, tzinfo=UTC)
NOON = time(18, tzinfo=UTC)
"""Noon in Chicago."""

ROUNDS = 40
"""Work that is not over after so many rounds goes on the next time."""

NOT_BY_ITSELF = "compare the provider's book with ours"
"""Once an hour would be 8,760 comparisons; the chapter on it compares whole days."""

OWN = "own"
"""The share of jobs that need nobody."""

PATIENCE = (1, 3, 6, 9, 12, 15, 18, 21, 24, 28, 32, 36, 40, 45)
"""Days after the last one on which work is looked after, until everything is over."""


class Chapter:
    """One subject of the year. What it does is its own matter; what it may not do is break an invariant."""

    def begin(self, year: Year) -> None:
        """Do what comes before the first day."""

    def day(self, year: Year) -> None:
        """Do what people do on one day, at noon."""

    def end(self, year: Year) -> None:
        """Do what ends the year; background work goes on for some weeks afterwards."""

    def wait(self, year: Year) -> None:
        """Do what is possible only later; some days have passed since the last time."""

    def check(self, year: Year) -> None:
        """Compare what people are shown with what the chapter knows."""


@dataclass
class Year:
    """Everything that the chapters share.

    Attributes:
        dice: Chance; the same at every run.
        drivers: In the order of the recording's names.
        number: The day, from 0.
        happened: What happened how often.
    """

    house: House
    world: Simulators
    clock: FixedClock
    size: Size
    background: BackgroundWork
    portal: BlockingPortal
    dice: random.Random
    sponsors: list[Person] = field(default_factory=list)
    drivers: list[Person] = field(default_factory=list)
    ops: dict[Role, Person] = field(default_factory=dict)
    number: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    clients: list[TestClient] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """What the clock says."""
        return self.clock.now()

    @property
    def is_last(self) -> bool:
        """Whether this is the last day."""
        return self.number == self.size.days - 1

    def at(self, number: int, hour: time) -> datetime:
        """Return an instant of a day."""
        return datetime.combine(self.size.first + timedelta(days=number), hour)

    def happens(self, percent: int) -> bool:
        """Throw the dice."""
        return self.dice.randrange(100) < percent

    def person(self, role: Role, tenant_id: UUID | None = None) -> Person:
        """Return somebody new with this role, whose requests come from one of 50 addresses."""
        number = len(self.clients)
        if number < 50:
            client = TestClient(
                self.house.app, client=(f"10.0.0.{number + 1}", 5_000), raise_server_exceptions=False
            )
            client.portal = self.portal
            self.clients.append(client)
        client = self.clients[self.dice.randrange(len(self.clients))]
        return Person(self.house.installation, client, role, tenant_id or new_id())

    def tell(self) -> int:
        """Bring what the provider has to tell and return how much it was."""
        sendings = self.world.webhooks.take()
        for one in sendings:
            answer = self.clients[0].post("/webhooks/stripe", content=one.body, headers=one.headers)
            assert answer.status_code == 200, answer.text
        return len(sendings)

    def work(self) -> None:
        """Let the background work go round once, and what waits for the provider until it is done."""
        self.work_at_provider()
        self.background.round(OWN)
        self.work_at_provider()

    def work_at_provider(self) -> None:
        """Let the work go round that waits for the provider, until there is nothing left to do now."""
        for _ in range(ROUNDS):
            if self.tell() + self.background.round(PROVIDERS) == 0:
                return
            self.clock.move_to(self.now + timedelta(seconds=2))

    def go_to(self, at: datetime) -> None:
        """Let time pass and the provider with it."""
        if at > self.now:
            self.world.advance(at - self.now)

    def live(self, chapters: Sequence[Chapter]) -> None:
        """Live through the year, wait until everything is over, and compare all books."""
        for chapter in chapters:
            chapter.begin(self)
        for number in range(self.size.days):
            self.number = number
            self.go_to(self.at(self.number, NOON))
            has_chores = self.number % self.size.chores_every == 0
            if has_chores:
                self.background.round(OWN)
            for chapter in chapters:
                chapter.day(self)
                self.clock.move_to(self.now + timedelta(minutes=5))
            if has_chores:
                self.work_at_provider()
            self.be_clean(only_light=not (self.is_last or self.number % self.size.audit_every == 0))
        for chapter in chapters:
            chapter.end(self)
        for number in PATIENCE[:: 1 if self.size.chores_every == 1 else 2]:
            self.go_to(self.at(self.size.days + number, MORNING))
            self.work()
            for chapter in chapters:
                chapter.wait(self)
        assert self.house.findings() == []
        for chapter in chapters:
            chapter.check(self)

    def be_clean(self, *, only_light: bool) -> None:
        """Find nothing wrong: in what there is, every day, and in all of history, as often as the size says."""
        found = self.house.installation.database.read(
            lambda session: audit(session, CHECKS, only_light=only_light), patient=True
        )
        assert found == [], f"day {self.number}: {found}"

    def holds(self, code: str) -> Any:
        """Return what an account holds, as ops see it."""
        return self.ops[Role.OPS_FINANCE].get(f"/v1/ops/accounts/{code}")


@contextmanager
def opened_year(url: str, folder: Path, size: Size) -> Iterator[Year]:
    """Open an installation on the eve of its first day."""
    clock = FixedClock(datetime.combine(size.first, MORNING) - timedelta(days=3))
    with (
        running_simulators(clock=clock, seed=size.seed, by_hand=True) as world,
        opened_house(url, folder, clock, stripe=settings_of(world)) as house,
        anyio.from_thread.start_blocking_portal() as portal,
    ):
        work = [job for job in jobs_of(house.installation) if job.name != NOT_BY_ITSELF]
        background = BackgroundWork(work, clock, house.installation.settings.worker)
        dice = random.Random(size.seed)
        year = Year(house, world, clock, size, background, portal, dice)
        for role in (Role.OPS_ADMIN, Role.OPS_FINANCE, Role.OPS_SUPPORT):
            year.ops[role] = year.person(role)
        yield year
