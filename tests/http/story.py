"""A house with every provider beside it, simulated and by one clock; and what must be true when a story is over."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import select

from nerava.charging.model import ChargingSession
from nerava.demo.provider import settings_of
from nerava.identity.roles import Role
from nerava.installation import background_of
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.payouts.model import PayoutMethod
from nerava.rewards.model import RewardGrant
from nerava.settings import (
    Group,
    OcpiSettings,
    PlacesSettings,
    SmartcarSettings,
    TwilioSettings,
)
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from nerava.simulators.webhooks import State
from nerava.worker import BackgroundWork
from tests.helpers.parallel import in_parallel
from tests.http.conftest import Caller, House, opened_house
from tests.http.flows import add_contact, campaign, sponsor
from tests.http.roaming import invitation
from tests.http.test_ocpi_simulated import served
from tests.vehicles.garage import BACK

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
CPO = "1"
"""The operator that is registered at the house."""

STEP = timedelta(seconds=6)
PAUSES = (timedelta(minutes=2), timedelta(minutes=20))
"""What failed is tried again after minutes or a quarter of an hour."""

ROUNDS_MAX = 100
PER_KWH = [{"kind": "per_kwh", "points_per_kwh": 10}]


@dataclass
class Story:
    """The house, all its providers, and their time.

    Attributes:
        told: Provider and id of every event that was brought and taken.
    """

    house: House
    world: Simulators
    clock: FixedClock
    background: BackgroundWork
    told: set[tuple[str, str]] = field(default_factory=set)

    def work(self, rounds: int = 3) -> None:
        """Let operators push, providers tell, and the background work go round, six seconds each time."""
        for _ in range(rounds):
            self.round()

    def round(self) -> bool:
        """Do that once, and return whether anything happened."""
        self.world.advance(STEP)
        pushed, brought = self.world.cpo.push(CPO), self.bring()
        return bool(self.background.round() or pushed or brought)

    def until_idle(self) -> None:
        """Work until nothing happens any more, also after the minutes after which what failed is tried again."""
        for pause in PAUSES:
            self.world.advance(pause)
            quiet = 0
            for _ in range(ROUNDS_MAX):
                quiet = 0 if self.round() else quiet + 1
                if quiet == 2:
                    break
            else:
                raise AssertionError("the work does not come to an end")

    def wait(self, rounds: int = 1, **span: float) -> None:
        """Let time pass for everybody, then work."""
        self.world.advance(timedelta(**span))
        self.work(rounds)

    def bring(self) -> int:
        """Bring what providers have to tell, at one moment what comes twice at one moment; return how much."""
        queue = self.world.webhooks
        waiting = [one for one in queue.read() if one.state is State.QUEUED]
        sendings = [queue.sending(one.id) for one in waiting]
        queue.take()
        for one, sending in zip(waiting, sendings, strict=True):
            path = f"/webhooks/{one.provider.split('-')[0]}"

            def post(_: int, path: str = path, sending: Any = sending) -> int:
                answer = self.house.client.post(path, content=sending.body, headers=sending.headers)
                return int(answer.status_code)

            answers = [post(0)] if one.at_once == 1 else in_parallel(one.at_once, post)
            assert set(answers) == {200}, (one.kind, answers)
            self.told.add((one.provider.split("-")[0], one.event_id))
        return len(waiting)

    # -- people ------------------------------------------------------------

    def driver(self) -> Caller:
        """Return a driver who can be written to and whose token the operator knows."""
        found = self.house.user()
        add_contact(self.house, found)
        assert found.post("/v1/me/charging-tokens").status_code == 201
        self.work(2)
        return found

    def again(self, driver: Caller) -> Caller:
        """Return the driver, signed in just now."""
        return self.house.caller(Role.DRIVER, driver.tenant_id, driver.subject)

    def sponsored(self, gross: int = 100_000, **terms: Any) -> tuple[Caller, str]:
        """Return a sponsor who has paid by Stripe, and a campaign of 10 points per kilowatt-hour of theirs."""
        owner = sponsor(self.house)
        asked = owner.post("/v1/sponsor/checkouts", {"gross_minor": gross}, key=str(new_id()))
        assert asked.status_code == 202, asked.text
        self.work(2)
        self.world.stripe.pay_checkout(self.world.stripe.objects("checkout.session")[-1]["id"])
        self.work(3)
        owner = self.house.caller(Role.SPONSOR, owner.tenant_id)
        made = campaign(owner, gross, **{"rules": PER_KWH, "settle_within_days": 14} | terms)
        return owner, made

    def method(self, driver: Caller) -> str:
        """Return how a driver is paid, after they told Stripe who they are."""
        method_id: str = self.again(driver).post("/v1/payout-methods").json()["method"]["id"]
        query = select(PayoutMethod.account).where(PayoutMethod.id == UUID(method_id))
        self.world.stripe.verify(self.read(query)[0])
        self.work(3)
        return method_id

    # -- what is true ------------------------------------------------------

    def token_of(self, driver: Caller) -> dict[str, Any]:
        """Return a driver's token as the operator was told it."""
        shown = self.again(driver).get("/v1/me/charging-tokens").json()["tokens"]
        told = self.world.state("cpo")[CPO]["tokens"]
        found: dict[str, Any] = next(one for one in told if one["uid"] == shown[0]["uid"])
        return found

    def charge(self, driver: Caller, kwh: float, *, minutes: int = 60) -> None:
        """Let a driver charge at the operator, who bills it at once."""
        begun = self.world.cpo.plug_in(CPO, self.token_of(driver))
        self.wait(minutes=minutes)
        self.world.cpo.unplug(CPO, begun["id"], kwh)
        self.work()

    def wallet(self, driver: Caller) -> int:
        """Return what a driver can spend."""
        available: int = self.again(driver).get("/v1/wallet").json()["available"]
        return available

    def sessions(self, driver: Caller) -> list[ChargingSession]:
        """Return a driver's sessions, the earliest first."""
        query = select(ChargingSession).where(ChargingSession.driver_id == driver.tenant_id)
        return self.read(query.order_by(ChargingSession.started_at))

    def grants(self, driver: Caller) -> list[tuple[str, int]]:
        """Return what became of a driver's rewards, and the points that stand."""
        query = select(RewardGrant).where(RewardGrant.driver_id == driver.tenant_id)
        return [(one.state, one.points) for one in self.read(query.order_by(RewardGrant.id))]

    def read(self, query: Any) -> list[Any]:
        """Return what a query finds."""
        return self.house.installation.database.read(lambda session: list(session.scalars(query)))


@contextmanager
def opened_story(url: str, folder: Path, at: datetime = START, **groups: Group) -> Iterator[Story]:
    """Open a house beside all its providers, with one operator registered; `groups` are further settings."""
    clock = FixedClock(at)
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with running_simulators(clock=clock, by_hand=True) as world:
        world.smartcar.register_redirect(BACK)
        world.stripe.behave(settle_days=0)
        with (
            opened_house(url, folder, clock, **(_groups(world, address) | groups)) as house,
            served(house, listening),
        ):
            versions, origin = f"{address}/ocpi/versions", world.url_of("cpo")
            world.cpo.register(CPO, versions, invitation(house)["invitation"], origin)
            world.cpo.add_location(CPO, "L1")
            story = Story(house, world, clock, background_of(house.installation))
            story.work(2)
            yield story
    listening.close()


def _groups(world: Simulators, address: str) -> dict[str, Group]:
    key, secret = world.twilio.login
    return {
        "ocpi": OcpiSettings(mode="simulator", country_code="US", party_id="NRV", public_url=address),
        "stripe": settings_of(world),
        "smartcar": SmartcarSettings(
            mode="simulator",
            version=3,
            client_id=world.smartcar.client_id,
            client_secret=SecretStr(world.smartcar.client_secret),
            webhook_secrets=SecretStr(world.smartcar.management_token),
            base_url=world.base_url,
            redirect_uri=BACK,
        ),
        "twilio": TwilioSettings(
            mode="simulator",
            account=world.twilio.account,
            key=key,
            secret=SecretStr(secret),
            sender="+12025550100",
            base_url=world.url_of("twilio-api"),
            verify_service=world.twilio.service,
            verify_base_url=world.url_of("twilio-verify"),
        ),
        "places": PlacesSettings(
            mode="simulator", key=SecretStr(world.places.key), base_url=world.url_of("places")
        ),
    }
