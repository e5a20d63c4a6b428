"""The control plane `/_sim`: whoever has its token moves the clock, breaks things and looks at everything."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nerava.kernel.errors import NeravaError
from nerava.simulators.errors import NoSuchThing, NotPossible
from nerava.simulators.faults import fault_from
from nerava.simulators.scenarios import play
from nerava.simulators.webhooks import Habits, Manner
from nerava.simulators.wire import parsed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from nerava.simulators.courier import Courier
    from nerava.simulators.wire import Json
    from nerava.simulators.world import World


class Control:
    """What can be done to the simulated world; each method takes a JSON object and returns one."""

    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._courier = courier

    def reset(self, body: Json) -> Json:
        """Begin again: `seed`."""
        self._world.reset(int(body.get("seed", self._world.chance.seed)))
        return {"seed": self._world.chance.seed}

    def clock(self, body: Json) -> Json:
        """Move the clock: `advance_s` seconds, or to the instant `now`; nothing of both tells the time."""
        with self._world.lock:
            by = timedelta(seconds=int(body.get("advance_s", 0)))
            if "now" in body:
                by = _instant(body["now"]) - self._world.timeline.now()
            if by < timedelta():
                raise NotPossible("the clock does not go back")
            ran = self._world.advance(by)
            following = self._world.timeline.next_at()
            return {
                "now": self._world.timeline.now().isoformat(),
                "happened": ran,
                "next_at": following and following.isoformat(),
            }

    def add_fault(self, body: Json) -> Json:
        """Put a rule in force."""
        with self._world.lock:
            return self._world.faults.add(fault_from(body)).as_document()

    def faults(self, _: Json) -> Json:
        """Return the rules in force."""
        with self._world.lock:
            return {"faults": [rule.as_document() for rule in self._world.faults.read()]}

    def heal(self, body: Json) -> Json:
        """Take one rule out of force, `id`, or all of them."""
        with self._world.lock:
            if "id" in body:
                self._world.faults.remove(str(body["id"]))
            else:
                self._world.faults.clear()
        return self.faults({})

    def requests(self, body: Json) -> Json:
        """Return the journal of calls, of all or of one `provider`."""
        with self._world.lock:
            return {"requests": [one.as_document() for one in self._world.journal.read(body.get("provider"))]}

    def webhooks(self, body: Json) -> Json:
        """Return the webhooks, of all or of one `provider`."""
        with self._world.lock:
            told = self._world.webhooks.read(body.get("provider"))
            return {"webhooks": [one.as_document() for one in told]}

    def deliver_due(self, _: Json) -> Json:
        """Deliver what is due, now and in order."""
        return {"webhooks": [one.as_document() for one in self._courier.deliver_due()]}

    def shuffle(self, _: Json) -> Json:
        """Bring what is queued into another order."""
        with self._world.lock:
            return {"shuffled": self._world.webhooks.shuffle()}

    def habits(self, body: Json) -> Json:
        """Say how often webhooks go wrong; with `by_hand` they wait until they are told to go."""
        if "by_hand" in body:
            self._courier.by_hand = bool(body.pop("by_hand"))
        try:
            manners = {Manner(name): float(often) for name, often in body.pop("manners", {}).items()}
            with self._world.lock:
                self._world.webhooks.habits = Habits(**body, manners=manners)
        except (TypeError, ValueError) as error:
            raise NotPossible(str(error)) from None
        return {"by_hand": self._courier.by_hand}

    def one_webhook(self, delivery_id: str, doing: str, body: Json) -> Json:
        """Deliver, drop, duplicate, delay one webhook, or have it signed and written in another manner."""
        if doing == "deliver":
            return self._courier.deliver(delivery_id).as_document()
        with self._world.lock:
            queue = self._world.webhooks
            match doing:
                case "drop":
                    return queue.drop(delivery_id).as_document()
                case "duplicate":
                    at_once = bool(body.get("at_once", False))
                    return queue.duplicate(delivery_id, at_once=at_once).as_document()
                case "delay":
                    return queue.delay(delivery_id, int(body.get("seconds", 3_600))).as_document()
                case "manner":
                    found = queue.find(delivery_id)
                    found.manner = _manner(body.get("manner"))
                    return found.as_document()
                case _:
                    raise NoSuchThing(f"nothing is done to a webhook by the word {doing}")

    def state(self, provider: str) -> Json:
        """Return what a provider believes."""
        with self._world.lock:
            if provider not in self._world.providers:
                raise NoSuchThing(f"there is no provider {provider}")
            self._world.catch_up()
            return self._world.providers[provider].believes()

    def act(self, provider: str, action: str, body: Json) -> Json:
        """Let something happen at a provider that no call of its API makes happen, such as a dispute."""
        by_hand = self._world.by_hand
        if provider not in by_hand or action not in by_hand[provider].by_name():
            raise NoSuchThing(f"nothing called {action} happens at {provider}")
        try:
            return by_hand[provider].by_name()[action](**body)
        except (TypeError, ValueError) as error:
            raise NotPossible(str(error)) from None

    def snapshot(self, body: Json) -> Json:
        """Remember everything as `name`."""
        name = str(body.get("name", "snapshot"))
        self._world.snapshot(name)
        return {"name": name}

    def restore(self, body: Json) -> Json:
        """Go back to what was remembered as `name`."""
        name = str(body.get("name", "snapshot"))
        self._world.restore(name)
        return {"name": name}


def control_routes(world: World, courier: Courier, token: str) -> list[Route]:
    """Return the routes below `/_sim`; each of them asks for `Authorization: Bearer` with the token."""
    control = Control(world, courier)
    plain: dict[tuple[str, str], Callable[[Json], Json]] = {
        ("POST", "/reset"): control.reset,
        ("POST", "/clock"): control.clock,
        ("GET", "/clock"): control.clock,
        ("POST", "/faults"): control.add_fault,
        ("GET", "/faults"): control.faults,
        ("DELETE", "/faults"): control.heal,
        ("GET", "/requests"): control.requests,
        ("GET", "/webhooks"): control.webhooks,
        ("POST", "/webhooks/deliver"): control.deliver_due,
        ("POST", "/webhooks/shuffle"): control.shuffle,
        ("POST", "/webhooks/habits"): control.habits,
        ("POST", "/snapshot"): control.snapshot,
        ("POST", "/restore"): control.restore,
    }
    routes = [
        Route(path, _guarded(token, _plainly(doing)), methods=[method])
        for (method, path), doing in plain.items()
    ]

    def one_webhook(request: Request, body: Json) -> Json:
        return control.one_webhook(request.path_params["id"], request.path_params["doing"], body)

    def state(request: Request, _: Json) -> Json:
        return control.state(request.path_params["provider"])

    def scenario(request: Request, _: Json) -> Json:
        return play(world, request.path_params["name"])

    def act(request: Request, body: Json) -> Json:
        return control.act(request.path_params["provider"], request.path_params["action"], body)

    return [
        *routes,
        Route("/webhooks/{id}/{doing}", _guarded(token, one_webhook), methods=["POST"]),
        Route("/scenario/{name}", _guarded(token, scenario), methods=["POST"]),
        Route("/state/{provider}", _guarded(token, state), methods=["GET"]),
        Route("/happen/{provider}/{action}", _guarded(token, act), methods=["POST"]),
    ]


def _plainly(doing: Callable[[Json], Json]) -> Callable[[Request, Json], Json]:
    def called(_: Request, body: Json) -> Json:
        return doing(body)

    return called


def _guarded(token: str, doing: Callable[[Request, Json], Json]) -> Callable[[Request], Awaitable[Response]]:
    @wraps(doing)
    async def answered(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return JSONResponse({"error": "the control plane asks for its token"}, 401)
        body = {**dict(request.query_params), **parsed(await request.body())}
        try:
            # In a thread: what we tell somebody makes him ask us, and we must be there to answer.
            return JSONResponse(await run_in_threadpool(doing, request, body))
        except NeravaError as error:
            return JSONResponse({"error": error.code, "detail": error.detail}, error.status)
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": "not-understood", "detail": str(error)}, 422)

    return answered


def _instant(text: Any) -> datetime:  # noqa: ANN401 - what somebody sent
    found = datetime.fromisoformat(str(text))
    if found.tzinfo is None:
        raise NotPossible("an instant has an offset, such as 2026-11-23T12:00:00Z")
    return found


def _manner(word: Any) -> Manner:  # noqa: ANN401 - what somebody sent
    try:
        return Manner(word)
    except ValueError as error:
        raise NotPossible(str(error)) from None
