"""What all parts of the simulated Smartcar share: its state, time, ids, and whom it tells what."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nerava.simulators.chance import Chance
from nerava.simulators.errors import NoSuchThing
from nerava.simulators.smartcar.cars import NAMES, STEP_S, signal_of, step, tell_maker
from nerava.simulators.smartcar.state import SmartcarState
from nerava.simulators.webhooks import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nerava.simulators.smartcar.state import Car
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.webhooks import WebhookQueue
    from nerava.simulators.wire import Json

ENDPOINT: Final = "smartcar"
HOLDER: Final = "smartcar-vehicle"
"""The mount that holds the state of all."""

CODE_LIFE_S: Final = 600


class SmartcarCore:
    """People, cars and connections, and how time goes by for them."""

    def __init__(
        self, timeline: Timeline, chance: Chance, webhooks: WebhookQueue, webhooks_to: Mapping[str, str]
    ) -> None:
        self.timeline = timeline
        self._seeding = chance
        self.chance = Chance(0)
        self.webhooks = webhooks
        self._webhooks_to = webhooks_to
        self.state = SmartcarState("", "")

    def fresh(self) -> None:
        """Forget everything but where webhooks go; keys are drawn from the seed."""
        self.chance = Chance(self._seeding.seed)
        self.state = SmartcarState(self.new_id(), self.new_id(), bucket=(120.0, self.timeline.now_s()))
        url = self._webhooks_to.get(ENDPOINT)
        self.webhooks.endpoints[ENDPOINT] = Endpoint(HOLDER, ENDPOINT, url, [self.chance.text(40)])

    def new_id(self) -> str:
        """Return an id that was not given before."""
        digits = self.chance.hex(32)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def car(self, vin: str) -> Car:
        """Return a car."""
        if vin not in self.state.cars:
            raise NoSuchThing(f"there is no car {vin}")
        return self.state.cars[vin]

    def connect(self, user: str, mode: str = "live") -> list[str]:
        """Let our application read all cars in somebody's account; return the vehicle ids."""
        now_ms, ids = self.timeline.now_s() * 1_000, []
        for vin in self.state.people[user]:
            known = [
                vehicle
                for vehicle, one in self.state.connections.items()
                if (one["user"], one["vin"]) == (user, vin)
            ]
            vehicle = known[0] if known else self.new_id()
            self.state.connections[vehicle] = {
                "user": user,
                "vin": vin,
                "mode": mode,
                "connected_ms": now_ms,
                "trouble": None,
            }
            ids.append(vehicle)
            tell_maker(self.car(vin), self.timeline.now_s())
        return ids

    def new_code(self, user: str) -> str:
        """Return the code that the consent page hands over; good once."""
        code = self.new_id()
        self.state.codes[code] = {"user": user, "expires_s": self.timeline.now_s() + CODE_LIFE_S}
        return code

    def update(self, vin: str) -> None:
        """Let a car tell its maker how it is, and those who read it, what changed."""
        car = self.car(vin)
        changed = tell_maker(car, self.timeline.now_s())
        if changed:
            self.tell_state(vin, changed)

    def tell_state(self, vin: str, changed: Sequence[str], *, old_form: bool = False) -> None:
        """Queue `VEHICLE_STATE` for every connection of a car: all signals, and which of them changed."""
        car, now_s = self.car(vin), self.timeline.now_s()
        signals = [signal_of(code, told, now_s) for code, told in car.told.items()]
        named = [_named(code, old_form=old_form) for code in changed]
        for one in signals if old_form else []:
            one.pop("status", None)
            one["meta"]["fetchedAt"] = one["meta"].pop("retrievedAt")
        data: Json = {"signals": signals}
        triggers = [{"type": "SIGNAL_UPDATED", "signal": one} for one in named]
        for vehicle, connection in self.state.connections.items():
            if connection["vin"] == vin:
                self._tell("VEHICLE_STATE", vehicle, data, {"triggers": triggers}, old_form=old_form)

    def tell_error(self, vehicle: str, error: Json) -> None:
        """Queue `VEHICLE_ERROR` for a connection."""
        self._tell("VEHICLE_ERROR", vehicle, {"errors": [error]}, {})

    def ask_whether_we_listen(self, challenge: str) -> None:
        """Queue `VERIFY`."""
        event_id = self.new_id()
        event = {"eventId": event_id, "eventType": "VERIFY", "data": {"challenge": challenge}}
        self._queue("VERIFY", event_id, event)

    def _tell(self, kind: str, vehicle: str, data: Json, more: Json, *, old_form: bool = False) -> None:
        if not self._is_told_of(vehicle):
            return
        connection, now_s = self.state.connections[vehicle], self.timeline.now_s()
        car, event_id = self.car(connection["vin"]), self.new_id()
        named = {"id": vehicle, "make": car.make, "model": car.model, "year": car.year}
        told_at = self.timeline.now().isoformat() if old_form else now_s * 1_000
        event = {
            "eventId": event_id,
            "eventType": kind,
            "data": {"user": {"id": connection["user"]}, "vehicle": named, **data},
            **more,
            "meta": {
                "deliveryId": self.new_id(),
                "deliveredAt": told_at,
                "version": "4.0",
                "webhookName": "Nerava",
                "mode": "LIVE" if connection["mode"] == "live" else "TEST",
                "signalCount": len(data.get("signals", ())),
            },
        }
        self._queue(kind, event_id, event)

    def _is_told_of(self, vehicle: str) -> bool:
        """Say whether a webhook hears of a car: of all, until somebody has said of which."""
        lists = self.state.subscriptions.values()
        return not lists or any(vehicle in one for one in lists)

    def _queue(self, kind: str, event_id: str, event: Json) -> None:
        body = json.dumps(event, separators=(",", ":")).encode()
        self.webhooks.tell(self.webhooks.endpoints[ENDPOINT], event_id, kind, body)

    def plan(self, seconds: int, action: str, vin: str, stay: int) -> None:
        """Plan something that a car does, unless another stay has begun by then."""
        at = self.timeline.now() + timedelta(seconds=seconds)
        self.timeline.plan(at, HOLDER, action, f"{vin}|{stay}")

    def due(self, action: str, subject: str) -> None:
        """Let happen what was planned."""
        vin, _, stay = subject.partition("|")
        car = self.car(vin)
        if car.stays != int(stay):
            return
        if action == "charge":
            step(car, STEP_S)
            if car.phase == "charging":
                self.plan(STEP_S, "charge", vin, car.stays)
        elif action == "leave":
            car.phase, car.power_w, car.stays = "unplugged", 0, car.stays + 1
        else:
            raise AssertionError(f"nothing is called {action}")
        self.update(vin)


def _named(code: str, *, old_form: bool) -> object:
    name, group = NAMES.get(code, (code, code))
    return f"{group}.{name}" if old_form else {"name": name, "group": group, "code": code}
