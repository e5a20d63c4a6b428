"""What a test or the demo holds while the simulators run; any thread may call any of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.faults import Fault, Kind
from nerava.simulators.keeping import put_down, take_up
from nerava.simulators.scenarios import play
from nerava.simulators.webhooks import Habits, Manner, State

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from nerava.simulators.courier import Courier
    from nerava.simulators.journal import Asked
    from nerava.simulators.webhooks import Delivery, Sending
    from nerava.simulators.wire import Json
    from nerava.simulators.world import World


QUIET_WITHIN_S: Final = 20.0


class WebhookControl:
    """The delivery queue."""

    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._courier = courier

    def secret(self, endpoint: str) -> str:
        """Return the secret of an endpoint: `stripe`, `stripe_connect`, `stripe_thin`, `square`, or an id."""
        with self._world.lock:
            return self._world.webhooks.endpoints[endpoint].secrets[0]

    def roll_secret(self, endpoint: str) -> str:
        """Sign with a new secret and the old one from now on; return the new one."""
        with self._world.lock:
            told = self._world.webhooks.endpoints[endpoint]
            told.secrets = [f"whsec_{self._world.chance.text(32)}", told.secrets[0]]
            return told.secrets[0]

    def send_to(self, endpoint: str, url: str | None) -> None:
        """Give an endpoint another address; None keeps its webhooks in the queue."""
        with self._world.lock:
            self._world.webhooks.endpoints[endpoint].url = url

    def register_as(self, endpoint: str, url: str) -> None:
        """Let the provider know an endpoint by this address and deliver where it did, as through a proxy."""
        with self._world.lock:
            self._world.webhooks.endpoints[endpoint].registered = url

    def by_hand(self, by_hand: bool = True) -> None:  # noqa: FBT001, FBT002 - it reads as a switch
        """Keep webhooks until they are told to go, or let them go by themselves when they are due."""
        self._courier.by_hand = by_hand

    def behave(self, habits: Habits) -> None:
        """Say how often webhooks go wrong by themselves from now on."""
        with self._world.lock:
            self._world.webhooks.habits = habits

    def read(self, provider: str | None = None, kind: str | None = None) -> list[Delivery]:
        """Return copies of the deliveries, in the order in which they are or were due."""
        with self._world.lock:
            found = self._world.webhooks.read(provider)
            return [replace(one, attempts=list(one.attempts)) for one in found if kind in {None, one.kind}]

    def take(self, kind: str | None = None) -> list[Sending]:
        """Take what is queued out of the queue, signed, for whoever brings it himself; oldest first."""
        with self._world.lock:
            queue = self._world.webhooks
            taken = [one for one in queue.read() if one.state is State.QUEUED and kind in {None, one.kind}]
            for one in taken:
                one.state = State.DELIVERED
            return [queue.sending(one, self._world.providers[one.provider]) for one in taken]

    def sending(self, delivery_id: str) -> Sending:
        """Return one webhook as it goes over the wire now; it stays where it is."""
        with self._world.lock:
            told = self._world.webhooks.find(delivery_id)
            return self._world.webhooks.sending(told, self._world.providers[told.provider])

    def deliver(self, delivery_id: str) -> Delivery:
        """Deliver one now, in this thread, also once more."""
        return self._courier.deliver(delivery_id)

    def deliver_due(self) -> list[Delivery]:
        """Deliver everything that is due, in this thread and in order."""
        return self._courier.deliver_due()

    def drop(self, delivery_id: str) -> None:
        """Lose one for good."""
        with self._world.lock:
            self._world.webhooks.drop(delivery_id)

    def duplicate(self, delivery_id: str, *, at_once: bool = False) -> None:
        """Deliver one twice: one after the other, or both at the same moment."""
        with self._world.lock:
            self._world.webhooks.duplicate(delivery_id, at_once=at_once)

    def delay(self, delivery_id: str, seconds: int) -> None:
        """Deliver one later."""
        with self._world.lock:
            self._world.webhooks.delay(delivery_id, seconds)

    def shuffle(self) -> int:
        """Bring what is queued into another order; return how much it was."""
        with self._world.lock:
            return self._world.webhooks.shuffle()

    def write(self, delivery_id: str, manner: Manner) -> None:
        """Sign and write one in another manner."""
        with self._world.lock:
            self._world.webhooks.find(delivery_id).manner = manner

    def wait_until_quiet(self) -> None:
        """Wait until nothing that is due is queued or on its way. Only where webhooks go by themselves."""
        deadline = time.monotonic() + QUIET_WITHIN_S
        while time.monotonic() < deadline:
            with self._world.lock:
                self._world.catch_up()
                moving = any(
                    one.state is State.ON_ITS_WAY for one in self._world.webhooks.deliveries.values()
                )
                if not moving and not self._world.webhooks.due():
                    return
            time.sleep(0.005)
        message = "webhooks are still on their way"
        raise AssertionError(message)


class FaultControl:
    """The faults in force."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add(
        self,
        kind: Kind | str,
        *,
        provider: str | None = None,
        method: str | None = None,
        path: str = "*",
        key: str | None = None,
        nth: int | None = None,
        every: int | None = None,
        probability: float = 1,
        times: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        **details: Any,  # noqa: ANN401 - what the kind takes
    ) -> Fault:
        """Put a rule in force; `details` are those of its kind, see `Kind`."""
        rule = Fault(
            Kind(kind),
            provider,
            method,
            path,
            key,
            nth,
            every,
            probability,
            times,
            since,
            until,
            details,
        )
        with self._world.lock:
            return self._world.faults.add(rule)

    def remove(self, fault: Fault) -> None:
        """Take a rule out of force."""
        with self._world.lock:
            self._world.faults.remove(fault.id)

    def heal(self) -> None:
        """Take all rules out of force."""
        with self._world.lock:
            self._world.faults.clear()


class Simulators:
    """The running simulators.

    Attributes:
        base_url: Where they are; `url_of("stripe")` is what an adapter is given.
        control_token: What the control plane `{base_url}/_sim` asks for.
        stripe: Keys, balances, and what happens at Stripe without a call of its API.
        square: The same for Square.
        nlr: Key and stations of the Alternative Fuel Stations API, and what happens to them.
        ocm: The same for Open Charge Map.
        places: The same for the Places API, and what its calls cost.
        cpo: Operators of charge points that speak OCPI, and the cars there.
        grid: Keys of WattTime, Electricity Maps, EIA and the Utility Rate Database, and what happens there.
        apple: Phones of Apple and what is in their wallets, and certificates for passes.
        google: The same of Google, whose passes lie there and not in the phone.
        smartcar: People, their cars, and what happens to them; hosts are `smartcar-vehicle` and so on.
    """

    def __init__(self, world: World, courier: Courier, base_url: str, control_token: str) -> None:
        self._world = world
        self._courier = courier
        self.base_url = base_url
        self.control_token = control_token
        self.stripe = world.stripe_by_hand
        self.square = world.square_by_hand
        self.nlr = world.nlr_by_hand
        self.ocm = world.ocm_by_hand
        self.places = world.places_by_hand
        self.twilio = world.twilio_by_hand
        self.mail = world.mail_by_hand
        self.hubspot = world.hubspot_by_hand
        self.cpo = world.cpo_by_hand
        self.grid = world.grid_by_hand
        self.smartcar = world.smartcar_by_hand
        self.apple = world.apple_by_hand
        self.google = world.google_by_hand
        self.faults = FaultControl(world)
        self.webhooks = WebhookControl(world, courier)

    def url_of(self, provider: str) -> str:
        """Return the address of a provider, without a slash at its end."""
        return f"{self.base_url}/{provider}"

    def start(self) -> None:
        """Deliver webhooks from now on."""
        self._courier.start()

    def stop(self) -> None:
        """Deliver no more webhooks."""
        self._courier.stop()

    def now(self) -> datetime:
        """Return the instant of the simulated world, aware UTC."""
        with self._world.lock:
            return self._world.timeline.now()

    def advance(self, by: timedelta) -> int:
        """Move the clock and let happen what was due by then; return how much it was."""
        return self._world.advance(by)

    def requests(self, provider: str | None = None) -> list[Asked]:
        """Return copies of the calls, oldest first."""
        with self._world.lock:
            return [replace(one) for one in self._world.journal.read(provider)]

    def state(self, provider: str) -> Json:
        """Return a copy of what a provider believes."""
        with self._world.lock:
            self._world.catch_up()
            return self._world.providers[provider].believes()

    def reset(self, seed: int = 1) -> None:
        """Begin again with an empty world; addresses of webhooks stay, keys and secrets are new."""
        self._world.reset(seed)

    def put_down(self) -> str:
        """Return what Stripe believes as JSON, for `take_up` of another process."""
        return put_down(self._world)

    def take_up(self, text: str) -> None:
        """Go on with what was put down.

        Raises:
            NotPossible: The text is not what `put_down` wrote (409).
        """
        take_up(self._world, text)

    def play(self, name: str) -> Json:
        """Let a story of `scenarios.SCENARIOS` begin; `over` ends all that goes wrong in any.

        Raises:
            NoSuchThing: There is none of this name (404).
        """
        return play(self._world, name)

    def snapshot(self, name: str = "snapshot") -> None:
        """Remember everything but time, faults and the journal."""
        self._world.snapshot(name)

    def restore(self, name: str = "snapshot") -> None:
        """Go back to what was remembered."""
        self._world.restore(name)
