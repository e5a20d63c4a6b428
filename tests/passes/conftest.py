"""A house whose drivers have passes, and the simulated phones that have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from nerava.drivers.pass_changes import void
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.outbox.catalogue import RewardEvent
from nerava.outbox.publishing import give_positions, publish
from nerava.passes.work import PassWork
from nerava.settings import AppleWalletSettings, GoogleWalletSettings, OutboundSettings
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from nerava.simulators.wallets.phone import Phone
from tests.http.conftest import Caller, House, opened_house

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
CLOCK = FixedClock(NOON)
SEED = 7
CALLS = ("apns push", "gwallet write")
"""Tried once here: the worker tries again, by a clock that the test moves."""


@dataclass
class Town:
    """Drivers, their points, their phones."""

    house: House
    world: Simulators
    work: PassWork
    is_funded: bool = False

    def driver(self, points: int = 0) -> Caller:
        """Return somebody new with so many points."""
        driver = self.house.driver()
        if points:
            self.earn(driver, points)
        return driver

    def earn(self, driver: Caller, points: int) -> None:
        """Let a driver earn points, and everybody hear of it."""
        books, now = self.house.books, CLOCK.now()
        if not self.is_funded:
            sponsor_id, self.is_funded = books.sponsor(10_000), True
            books.must(promo_funding(funding_id=new_id(), sponsor_id=sponsor_id, amount=10_000))
        books.must(
            promo_grant(
                kind=PromoKind.GOODWILL,
                reference_id=new_id(),
                driver_id=driver.tenant_id,
                points=points,
                points_expire_at=now + timedelta(days=300),
            )
        )
        told = RewardEvent(
            state="granted",
            session_id=new_id(),
            campaign_id=new_id(),
            points=points,
            driver_id=driver.tenant_id,
        )
        self.house.installation.database.run(lambda session: publish(session, [told], now))

    def apple(self, driver: Caller, name: str) -> Phone:
        """Return a phone to which a driver has added the pass."""
        phone: Phone = self.world.apple.phone(name)
        answer = driver.post("/v1/me/passes/apple")
        assert answer.status_code == 200, answer.text
        assert phone.add(answer.content, self.ask) in {200, 201}
        return phone

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Bring what a phone asks to the house."""
        path = url.removeprefix(self.house.installation.settings.tokens.issuer)
        answer = self.house.client.request(method, path, headers=dict(headers), content=body)
        return answer.status_code, dict(answer.headers), answer.content

    def go_round(self, rounds: int = 2) -> None:
        """Let the worker read what happened, and tell phones."""
        for _ in range(rounds):
            self.house.installation.database.run(give_positions)
            self.work.read(CLOCK.now())
            self.work.tell(CLOCK.now())

    def later(self, **by: float) -> None:
        """Let time go by, for both sides."""
        CLOCK.move_to(CLOCK.now() + timedelta(**by))

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Return what a query finds."""
        database = self.house.installation.database
        return database.read(lambda session: [tuple(row) for row in session.execute(text(statement), values)])

    def erase(self, driver: Caller) -> None:
        """Do what an erasure does to passes."""
        database = self.house.installation.database
        database.run(lambda session: void(session, [driver.tenant_id], CLOCK.now()))


def apple_settings(world: Simulators, ends_at: datetime | None = None) -> AppleWalletSettings:
    """Return the settings of passes for Apple's phones, at the simulator."""
    paper = world.apple.paper(ends_at)
    return AppleWalletSettings(
        mode="simulator",
        pass_type=world.apple.pass_type,
        team=world.apple.team,
        certificate=SecretStr(paper.certificate),
        intermediate=SecretStr(paper.intermediate),
        key=SecretStr(paper.key),
        base_url=world.url_of("apns"),
    )


def google_settings(world: Simulators) -> GoogleWalletSettings:
    """Return the settings of passes at Google, at the simulator."""
    return GoogleWalletSettings(
        mode="simulator",
        issuer_id=world.google.issuer_id,
        account=world.google.account,
        key=SecretStr(world.google.key),
        logo_url="https://nerava.example/logo.png",
        origins="https://app.nerava.example",
        base_url=world.url_of("gwallet"),
    )


@pytest.fixture(scope="session")
def running() -> Iterator[Simulators]:
    """The simulators."""
    with running_simulators(seed=SEED, clock=CLOCK, by_hand=True) as simulators:
        yield simulators


@pytest.fixture
def world(running: Simulators) -> Simulators:
    """Phones that are new, and nothing at Google."""
    CLOCK.move_to(NOON)
    running.reset(SEED)
    return running


@pytest.fixture
def town(url: str, world: Simulators, tmp_path: Path) -> Iterator[Town]:
    """A house with both kinds of passes."""
    once = OutboundSettings.model_validate({"calls": {name: {"attempts": 1} for name in CALLS}})
    groups = {"apple_wallet": apple_settings(world), "google_wallet": google_settings(world)}
    with opened_house(url, tmp_path, CLOCK, **groups, outbound=once) as house:
        yield Town(house, world, PassWork(house.installation.passes))
