"""The simulated world: its time, its chance, its providers, and one lock around all of it."""

from __future__ import annotations

import copy
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nerava.kernel.clock import SystemClock
from nerava.simulators.chance import Chance
from nerava.simulators.errors import NoSuchThing
from nerava.simulators.faults import Faults, Kind
from nerava.simulators.grid.eia import EiaEngine
from nerava.simulators.grid.emaps import EmapsEngine
from nerava.simulators.grid.happening import GridByHand
from nerava.simulators.grid.urdb import UrdbEngine
from nerava.simulators.grid.watttime import WattTimeEngine
from nerava.simulators.hubspot.engine import HubSpotEngine
from nerava.simulators.hubspot.happening import HubSpotByHand
from nerava.simulators.journal import Journal
from nerava.simulators.mail.engine import MailEngine
from nerava.simulators.mail.happening import MailByHand
from nerava.simulators.mail.sendgrid import SendGridEngine
from nerava.simulators.nlr.engine import NlrEngine
from nerava.simulators.nlr.happening import NlrByHand
from nerava.simulators.ocm.engine import OcmEngine
from nerava.simulators.ocm.happening import OcmByHand
from nerava.simulators.ocpi.engine import OcpiEngine
from nerava.simulators.ocpi.happening import OcpiByHand
from nerava.simulators.places.engine import PlacesEngine
from nerava.simulators.places.happening import PlacesByHand
from nerava.simulators.smartcar.core import SmartcarCore
from nerava.simulators.smartcar.engine import hosts_of
from nerava.simulators.smartcar.happening import SmartcarByHand
from nerava.simulators.square.engine import SquareEngine
from nerava.simulators.square.happening import SquareByHand
from nerava.simulators.stripe.engine import StripeEngine
from nerava.simulators.stripe.happening import StripeByHand
from nerava.simulators.timeline import Timeline
from nerava.simulators.twilio.engine import TwilioEngine
from nerava.simulators.twilio.happening import TwilioByHand
from nerava.simulators.twilio.verify import VerifyEngine
from nerava.simulators.wallets.apple import ApnsEngine
from nerava.simulators.wallets.google import GoogleEngine
from nerava.simulators.wallets.happening import AppleByHand, GoogleByHand
from nerava.simulators.webhooks import State, WebhookQueue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nerava.kernel.clock import Clock
    from nerava.simulators.faults import Fault
    from nerava.simulators.moments import ByHand
    from nerava.simulators.timeline import Due
    from nerava.simulators.wire import Answer, Call, Provider

OLD_STATES: Final = 50
"""How many states before a write are remembered while reads may show them."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    seed_mark: object
    states: dict[str, Any]
    due: list[Due]
    queue: dict[str, Any]
    endpoints: dict[str, Any]


@dataclass(slots=True)
class _Past:
    states: deque[tuple[datetime, Any]] = field(default_factory=lambda: deque(maxlen=OLD_STATES))


class World:
    """Everything that is simulated. Whoever touches a part of it holds `lock`, and does not wait."""

    def __init__(self, seed: int, clock: Clock | None, webhooks_to: Mapping[str, str]) -> None:
        self.lock, self.journal = threading.RLock(), Journal()
        self.chance = Chance(seed)
        self.timeline = Timeline(clock or SystemClock())
        self.faults = Faults(self.chance)
        self.webhooks = WebhookQueue(self.timeline, self.chance)
        addresses = dict(webhooks_to)
        self.stripe = StripeEngine(self.timeline, self.chance, self.webhooks, addresses)
        self.square = SquareEngine(self.timeline, self.chance, self.webhooks, addresses)
        self.nlr = NlrEngine(self.timeline, self.chance)
        self.ocm = OcmEngine(self.timeline, self.chance)
        self.places = PlacesEngine(self.timeline, self.chance)
        self.twilio = TwilioEngine(self.timeline, self.chance, self.webhooks, addresses)
        self.mail = MailEngine(self.timeline, self.chance, self.webhooks, addresses)
        self.sendgrid = SendGridEngine(self.timeline, self.chance, self.mail, self.webhooks, addresses)
        self.hubspot = HubSpotEngine(self.timeline, self.chance)
        self.hubspot_by_hand = HubSpotByHand(self.hubspot, self.moment)
        self.twilio_verify = VerifyEngine(self.timeline, self.chance, self.twilio)
        self.twilio_by_hand = TwilioByHand(self.twilio, self.twilio_verify, self.moment)
        self.mail_by_hand = MailByHand(self.mail, self.sendgrid, self.moment)
        watttime = WattTimeEngine(self.timeline, self.chance)
        grid = {one.name: one(self.timeline, self.chance) for one in (EmapsEngine, EiaEngine, UrdbEngine)}
        self.grid_by_hand = GridByHand(watttime, grid, self.moment)
        self.cpo = OcpiEngine(self.timeline, self.chance)
        self.stripe_by_hand = StripeByHand(self.stripe, self.moment)
        self.square_by_hand = SquareByHand(self.square, self.moment)
        self.nlr_by_hand = NlrByHand(self.nlr, self.moment)
        self.ocm_by_hand = OcmByHand(self.ocm, self.moment)
        self.places_by_hand = PlacesByHand(self.places, self.moment)
        self.cpo_by_hand = OcpiByHand(self.cpo, self.moment)
        self.apple_by_hand = AppleByHand(ApnsEngine(self.timeline, self.chance), self.moment)
        self.google_by_hand = GoogleByHand(GoogleEngine(self.timeline, self.chance), self.moment)
        smartcar = SmartcarCore(self.timeline, self.chance, self.webhooks, addresses)
        self.smartcar_by_hand = SmartcarByHand(smartcar, self.moment)
        everyone: tuple[Provider, ...] = (
            self.stripe,
            self.square,
            self.nlr,
            self.ocm,
            self.places,
            self.twilio,
            self.twilio_verify,
            self.mail,
            self.sendgrid,
            self.hubspot,
            self.cpo,
            watttime,
            *grid.values(),
            *(self.apple_by_hand.engine, self.google_by_hand.engine),
            *hosts_of(smartcar),
        )
        self.providers: dict[str, Provider] = {one.name: one for one in everyone}
        self.by_hand: dict[str, ByHand] = {
            "stripe": self.stripe_by_hand,
            "square": self.square_by_hand,
            "nlr": self.nlr_by_hand,
            "ocm": self.ocm_by_hand,
            "places": self.places_by_hand,
            "twilio-api": self.twilio_by_hand,
            "ses": self.mail_by_hand,
            "hubspot": self.hubspot_by_hand,
            "cpo": self.cpo_by_hand,
            "watttime": self.grid_by_hand,
            "smartcar": self.smartcar_by_hand,
            "apns": self.apple_by_hand,
            "gwallet": self.google_by_hand,
        }
        self._snapshots: dict[str, _Snapshot] = {}
        self._past: dict[str, _Past] = {name: _Past() for name in self.providers}
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Begin again with an empty world; the clock stays where it is."""
        with self.lock:
            self.chance.reseed(seed)
            self.timeline.put_back([])
            self.faults.clear()
            self.journal.clear()
            self.webhooks.clear()
            for name, provider in self.providers.items():
                self._past[name] = _Past()
                provider.fresh()

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Have the world alone; what was due happens before, and what follows at once happens after."""
        with self.lock:
            self.catch_up()
            yield
            self.catch_up()

    def advance(self, by: timedelta) -> int:
        """Move the clock and let happen what was due by then; return how much it was."""
        with self.lock:
            self.timeline.advance(by)
            return self.catch_up()

    def catch_up(self) -> int:
        """Let happen what is due by now."""
        with self.lock:
            return self.timeline.run_due(
                lambda due: self.providers[due.provider].due(due.action, due.subject)
            )

    def carry_out(self, call: Call, fault: Fault | None) -> Answer:
        """Let the provider carry out a call; a read may be given what was true some seconds ago."""
        provider, past = self.providers[call.provider], self._past[call.provider]
        horizon_s = self.faults.horizon_s()
        if call.method != "GET":
            if horizon_s:
                past.states.append((self.timeline.now(), copy.deepcopy(provider.state)))
            return provider.answer(call)
        if fault is None or fault.kind is not Kind.SPLIT_BRAIN:
            return provider.answer(call)
        since = self.timeline.now() - timedelta(seconds=int(fault.details.get("seconds", 5)))
        old = next((state for at, state in past.states if at > since), None)
        if old is None:
            return provider.answer(call)
        true, provider.state = provider.state, copy.deepcopy(old)
        try:
            return provider.answer(call)
        finally:
            provider.state = true

    def snapshot(self, name: str) -> None:
        """Remember everything under a name, but for time, faults and the journal."""
        with self.lock:
            self._snapshots[name] = _Snapshot(
                self.chance.mark(),
                copy.deepcopy({key: provider.state for key, provider in self.providers.items()}),
                self.timeline.waiting(),
                copy.deepcopy(self.webhooks.deliveries),
                copy.deepcopy(self.webhooks.endpoints),
            )

    def restore(self, name: str) -> None:
        """Go back to what was remembered; time goes on from now.

        Raises:
            NoSuchThing: Nothing was remembered under this name (404).
        """
        with self.lock:
            if name not in self._snapshots:
                raise NoSuchThing(f"there is no snapshot {name}")
            kept = self._snapshots[name]
            self.chance.go_back(kept.seed_mark)
            for key, state in copy.deepcopy(kept.states).items():
                self.providers[key].state = state
                self._past[key] = _Past()
            self.timeline.put_back(kept.due)
            self.webhooks.deliveries = copy.deepcopy(kept.queue)
            self.webhooks.endpoints = copy.deepcopy(kept.endpoints)
            for told in self.webhooks.deliveries.values():
                if told.state is State.ON_ITS_WAY:
                    told.state = State.QUEUED
