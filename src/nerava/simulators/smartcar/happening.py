"""What happens to cars and accounts without a call of the API: people plug in, drive, change passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.simulators.moments import ByHand, lets_happen
from nerava.simulators.smartcar import calls
from nerava.simulators.smartcar.cars import STEP_S, signal_of
from nerava.simulators.smartcar.core import ENDPOINT
from nerava.simulators.smartcar.problems import problem
from nerava.simulators.smartcar.quantiles import (
    LEVEL_AT_ARRIVAL,
    POWER_W_MAX,
    STAY_MINUTES,
    drawn,
)
from nerava.simulators.smartcar.state import Car

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from nerava.simulators.smartcar.core import SmartcarCore
    from nerava.simulators.wire import Json


class SmartcarByHand(ByHand):
    """What a test holds of the simulated Smartcar. Methods let one thing happen and return what it is."""

    def __init__(self, core: SmartcarCore, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self._core = core

    @property
    def client_id(self) -> str:
        """The id of our application; drawn anew by every reset."""
        return self._core.state.client

    @property
    def client_secret(self) -> str:
        """The secret of our application."""
        return self._core.state.secret

    @property
    def management_token(self) -> str:
        """The token that webhooks are signed with."""
        return self._core.webhooks.endpoints[ENDPOINT].secrets[0]

    @property
    def renewals(self) -> int:
        """How many refresh tokens were taken for a pair."""
        return self._core.state.renewals

    @lets_happen
    def register_redirect(self, uri: str) -> Json:
        """Let the consent page send people to this address only."""
        self._core.state.redirect_uri = uri
        return {"redirect_uri": uri}

    @lets_happen
    def add_person(self, cars: Sequence[str] = ()) -> Json:
        """Add somebody with an account at a maker; `cars` are numbers of cars that are in it, too."""
        user = self._core.new_id()
        self._core.state.people[user] = [self._core.car(vin).vin for vin in cars]
        return {"user_id": user}

    @lets_happen
    def add_car(
        self,
        user: str,
        *,
        make: str = "VOLKSWAGEN",
        model: str = "ID.4",
        year: int | str = 2024,
        vin: str | None = None,
        battery_wh: int = 77_000,
        level: float = 40.0,
        latitude: float = 60.1,
        longitude: float = 24.9,
    ) -> Json:
        """Put a car into somebody's account."""
        number = vin or f"WVG{self._core.chance.text(14).upper()}"
        self._core.state.cars[number] = Car(number, make, model, year, battery_wh, level, latitude, longitude)
        self._core.state.people[user].append(number)
        return {"vin": number}

    @lets_happen
    def connect(self, user: str, mode: str = "live") -> Json:
        """Let our application read somebody's cars, as the consent page does."""
        return {"vehicle_ids": self._core.connect(user, mode), "user_id": user}

    @lets_happen
    def grant_pair(self, user: str) -> Json:
        """Return tokens of the second interface."""
        return calls.new_pair(self._core, user)

    @lets_happen
    def plug_in(self, vin: str, power_w: int = 100_000) -> Json:
        """Plug a car in where it stands; it charges from now on."""
        self._plug_in(vin, power_w)
        return {"vin": vin}

    @lets_happen
    def stay(self, vin: str, latitude: float, longitude: float) -> Json:
        """Let a car come to a fast charger, charge and leave, as people do."""
        core, car = self._core, self._core.car(vin)
        minutes = round(drawn(STAY_MINUTES, core.chance))
        car.latitude, car.longitude = latitude, longitude
        car.level = drawn(LEVEL_AT_ARRIVAL, core.chance)
        power_w = round(drawn(POWER_W_MAX, core.chance))
        self._plug_in(vin, power_w)
        core.plan(minutes * 60, "leave", vin, car.stays)
        return {"minutes": minutes, "power_w": power_w, "level": car.level}

    def _plug_in(self, vin: str, power_w: int) -> None:
        car = self._core.car(vin)
        car.stays += 1
        car.phase, car.power_w, car.counted_wh, car.asleep = "charging", power_w, 0, False
        self._core.plan(STEP_S, "charge", vin, car.stays)
        self._core.update(vin)

    @lets_happen
    def unplug(self, vin: str) -> Json:
        """Unplug a car."""
        car = self._core.car(vin)
        car.phase, car.power_w, car.stays = "unplugged", 0, car.stays + 1
        self._core.update(vin)
        return {"vin": vin}

    @lets_happen
    def drive(self, vin: str, latitude: float, longitude: float, km: float = 10) -> Json:
        """Drive a car to another place and park it there."""
        car = self._core.car(vin)
        car.phase, car.stays, car.asleep = "parked", car.stays + 1, False
        car.latitude, car.longitude, car.odometer_km = latitude, longitude, car.odometer_km + km
        car.level = max(1.0, car.level - km * 0.25)
        self._core.update(vin)
        return {"vin": vin}

    @lets_happen
    def sleep(self, vin: str, asleep: bool = True) -> Json:  # noqa: FBT001, FBT002 - it reads as a switch
        """Let a car fall asleep: it goes on charging, and says nothing."""
        self._core.car(vin).asleep = asleep
        if not asleep:
            self._core.update(vin)
        return {"vin": vin, "asleep": asleep}

    @lets_happen
    def sleep_all(self, asleep: bool = True) -> Json:  # noqa: FBT001, FBT002 - it reads as a switch
        """Let every car that charges fall asleep, or every car that sleeps wake up."""
        cars = self._core.state.cars.values()
        vins = [car.vin for car in cars if car.asleep or (asleep and car.phase == "charging")]
        for vin in vins:
            self.sleep(vin, asleep)
        return {"vins": vins, "asleep": asleep}

    @lets_happen
    def lag(self, vin: str, seconds: int) -> Json:
        """Let what a car says be so old when its maker has it."""
        self._core.car(vin).lag_s = seconds
        return {"vin": vin}

    @lets_happen
    def say(
        self,
        vin: str,
        code: str,
        body: Json | None,
        *,
        at_ms: int | None = None,
        status: Json | None = None,
        tells: bool = False,
        old_form: bool = False,
    ) -> Json:
        """Let the maker know one signal in just this form; with `tells` all signals go out as they are."""
        told: Json = {"body": body, "at_ms": at_ms, "status": status}
        self._core.car(vin).told[code] = told
        if tells:
            self._core.tell_state(vin, [code], old_form=old_form)
        return signal_of(code, told, self._core.timeline.now_s())

    @lets_happen
    def tell(self, vin: str, *, old_form: bool = False) -> Json:
        """Tell once more how a car is; in the form of older payloads if wanted."""
        self._core.tell_state(vin, ["charge-ischarging"], old_form=old_form)
        return {"vin": vin}

    @lets_happen
    def trouble(
        self, vehicle: str, kind: str | None, code: str | None = None, signals: Sequence[object] = ()
    ) -> Json:
        """Let a car be unreadable for a reason, or readable again; tells of it."""
        connection = self._core.state.connections[vehicle]
        before = connection["trouble"]
        connection["trouble"] = None if kind is None else {"type": kind, "code": code}
        named = problem(kind or before["type"], code if kind else before["code"]).as_document()
        shown = {name: named[name] for name in ("type", "code", "description", "docURL", "resolution")}
        error = {**shown, "state": "ERROR" if kind else "RESOLVED"}
        self._core.tell_error(vehicle, error | ({"signals": list(signals)} if signals else {}))
        return error

    @lets_happen
    def rest(self, vehicle: str, seconds: int) -> Json:
        """Let a car not be asked for some seconds."""
        self._core.state.rests[vehicle] = self._core.timeline.now_s() + seconds
        return {"vehicle_id": vehicle}

    @lets_happen
    def drain(self, left: float = 0) -> Json:
        """Leave our application so many calls."""
        self._core.state.bucket = (left, self._core.timeline.now_s())
        return {"left": left}

    @lets_happen
    def refuse_paths(self, vehicle: str, paths: Sequence[str]) -> Json:
        """Refuse these paths of batches."""
        self._core.state.connections[vehicle]["refused_paths"] = list(paths)
        return {"paths": list(paths)}

    @lets_happen
    def forget_subscriptions(self, webhook: str) -> Json:
        """Empty the list of cars that a webhook hears of, as somebody at the dashboard may."""
        self._core.state.subscriptions[webhook] = []
        return {"webhook": webhook}

    @lets_happen
    def verify(self, challenge: str = "any-abcd") -> Json:
        """Ask whether we listen."""
        self._core.ask_whether_we_listen(challenge)
        return {"challenge": challenge}
