"""A house whose merchants sell with the simulated Square, over real HTTP and by one clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from nerava.identity.roles import Role
from nerava.installation import jobs_of
from nerava.kernel.clock import FixedClock
from nerava.settings import SquareSettings
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from nerava.tills.model import TillLink, TillOrder, TillProof
from nerava.tills.service import Tills
from nerava.worker import BackgroundWork
from tests.http.conftest import Caller, House, opened_house
from tests.http.shop import Shop, code_of, open_shop, rich_driver

START = datetime(2026, 11, 20, 18, tzinfo=UTC)
BACK = "http://127.0.0.1:8000/tills/return"
HOOK = "https://hooks.example.com/behind/a/proxy?for=square"
"""The webhook's address as Square knows it; requests come to another one."""

TILLS = "/v1/merchant/tills"


@dataclass
class Stall:
    """A shop whose till is linked, and its seller at Square."""

    shop: Shop
    merchant: str
    location: str


@dataclass
class Taken:
    """A code that was taken at a shop."""

    driver: Caller
    redemption_id: str


@dataclass
class Market:
    """The house, its provider, and their time."""

    house: House
    world: Simulators
    clock: FixedClock
    background: BackgroundWork

    @property
    def tills(self) -> Tills:
        """What reads tills here."""
        found = self.house.installation.selling.tills
        assert found is not None
        return found

    def wait(self, **span: float) -> None:
        """Let time pass for all."""
        self.world.advance(timedelta(**span))

    def work(self, *seconds: int) -> None:
        """Let the background work go round after so many seconds, by default after one and one more."""
        for one in seconds or (1, 1):
            self.wait(seconds=one)
            self.background.round()

    def bring(self, kind: str | None = None) -> list[int]:
        """Bring what Square has to tell and return how it was answered."""
        return [self.post(one.body, one.headers) for one in self.world.webhooks.take(kind)]

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """Bring one webhook and return how it was answered."""
        answer = self.house.client.post("/webhooks/square", content=body, headers=headers)
        return int(answer.status_code)

    def told(self) -> None:
        """Bring what Square has to tell, and let it be worked on; what is due after a second is done."""
        assert set(self.bring()) <= {200}
        self.work(1, 1, 1)

    def came_back(self, url: str, merchant: str) -> dict[str, str]:
        """Choose a seller on the consent page and return what stands in the address one is sent back to."""
        with httpx2.Client(timeout=5) as http:
            sent = http.post(url, data={"merchant": merchant}, follow_redirects=False)
        assert sent.status_code in {302, 303}, sent.text
        assert sent.headers["location"].startswith(f"{BACK}?")
        query = parse_qs(urlsplit(sent.headers["location"]).query)
        return {name: values[0] for name, values in query.items() if name in {"state", "code", "error"}}

    def go_and_agree(self, caller: Caller, merchant: str) -> Any:
        """Go to Square's page, agree for a seller, come back, and return the answer."""
        begun = caller.post(TILLS)
        assert begun.status_code == 201, begun.text
        return caller.post(f"{TILLS}/return", self.came_back(begun.json()["url"], merchant))

    def stall(self) -> Stall:
        """Open a shop and link its till; its only place is the seller's only location."""
        shop, seller = open_shop(self.house), self.world.square.add_seller()
        answer = self.go_and_agree(shop.owner, seller["merchant_id"])
        assert answer.json()["state"] == "done", answer.text
        self.work()
        return Stall(shop, seller["merchant_id"], seller["location_id"])

    def taken(self, stall: Stall, bill_minor: int | None = 1_000, **more: Any) -> Taken:
        """Let a driver show a code of 300 Nova, and the shop take it."""
        driver = rich_driver(self.house)
        answer = stall.shop.capture(code_of(driver, stall.shop.offer()), bill_minor=bill_minor, **more)
        assert answer.status_code == 200, answer.text
        return Taken(driver, answer.json()["redemption_id"])

    def sold(self, stall: Stall, amount: int = 1_000, *, tip: int = 0, **more: Any) -> tuple[str, str]:
        """Ring up an order and pay it; return what Square calls the order and the payment."""
        order = self.world.square.ring_up(stall.merchant, [("Lunch", amount, "1")], **more)
        payment = self.world.square.pay(order["id"], tip=tip)
        return str(order["id"]), str(payment["id"])

    def look(self) -> None:
        """Let the minutes pass in which a register can take a code back, and orders be looked for."""
        self.work(61, 120, 1)

    def proof(self, stall: Stall, taken: Taken) -> Any:
        """Return what the merchant is shown of the order of a redemption."""
        path = f"/v1/merchant/redemptions/{taken.redemption_id}"
        return self.manager(stall).get(path).json()["proof"]

    def manager(self, stall: Stall) -> Caller:
        """Return somebody of a shop, signed in just now."""
        return self.house.caller(Role.MERCHANT_MANAGER, stall.shop.merchant_id)

    def order(self, name: str) -> TillOrder | None:
        """Return what we have read of an order."""
        query = select(TillOrder).where(TillOrder.external_id == name)
        return self.house.installation.database.read(lambda session: session.scalars(query).one_or_none())

    def link(self, stall: Stall) -> TillLink:
        """Return the newest link of a shop."""
        query = select(TillLink).where(TillLink.merchant_id == stall.shop.merchant_id)
        latest = query.order_by(TillLink.id.desc()).limit(1)
        return self.house.installation.database.read(lambda session: session.scalars(latest).one())

    def part(self) -> None:
        """Let nothing of what was linked be due any more, so that the next test is alone."""

        def unit(session: Session) -> None:
            session.execute(update(TillLink).values(next_at=None))
            session.execute(update(TillOrder).values(next_at=None))
            over = {"state": "unproved", "reason": "link-ended", "next_at": None}
            session.execute(update(TillProof).where(TillProof.state == "waiting").values(over))

        self.house.installation.database.run(unit)
        self.world.faults.heal()
        self.world.webhooks.take()

    def asked(self, path: str) -> int:
        """Return how many calls of Square there were with this in the path."""
        return sum(path in one.path for one in self.world.requests("square"))


def at_once(count: int, call: Callable[[], object]) -> None:
    """Call something from several threads that start together, and wait for all."""
    start = threading.Barrier(count)

    def one(_number: int) -> None:
        start.wait(60)
        call()

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(one, range(count)))


@contextmanager
def opened_market(url: str, folder: Path) -> Iterator[Market]:
    """Open a house whose merchants can link tills."""
    clock = FixedClock(START)
    with running_simulators(clock=clock, by_hand=True) as world:
        world.webhooks.register_as("square", HOOK)
        settings = SquareSettings(
            mode="simulator",
            client_id=world.square.application,
            client_secret=SecretStr(world.square.application_secret),
            webhook_secrets=SecretStr(world.webhooks.secret("square")),
            webhook_url=HOOK,
            base_url=world.url_of("square"),
            redirect_uri=BACK,
        )
        with opened_house(url, folder, clock, square=settings) as house:
            yield Market(house, world, clock, _background_of(house))
            assert house.findings() == []


def _background_of(house: House) -> BackgroundWork:
    """Return the background work that has to do with tills."""
    found = house.installation
    mine = {job.name for job in found.selling.jobs} | {"work on what providers told"}
    jobs = [job for job in jobs_of(found) if job.name in mine]
    assert len(jobs) == len(mine)
    return BackgroundWork(jobs, found.clock, found.settings.worker)
