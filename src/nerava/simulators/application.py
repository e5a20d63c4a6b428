"""One ASGI application: each simulated provider below its own prefix, and the control plane at `/_sim`."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from nerava.simulators.control import control_routes
from nerava.simulators.faults import Kind
from nerava.simulators.journal import Asked, masked
from nerava.simulators.playing import Line, drifted, spoiled, waiting_s
from nerava.simulators.wire import Call

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from nerava.simulators.courier import Courier
    from nerava.simulators.faults import Fault
    from nerava.simulators.wire import Answer
    from nerava.simulators.world import World


def simulators_application(world: World, courier: Courier, control_token: str) -> Starlette:
    """Return the application. Providers find their own addresses in the Host that they are asked under."""
    mounts = [Mount(f"/{name}", app=Mounted(world, name)) for name in world.providers]
    return Starlette(routes=[*mounts, Mount("/_sim", routes=control_routes(world, courier, control_token))])


class Mounted:
    """A provider as an ASGI application."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, or do to it what a fault says."""
        request = Request(scope, receive)
        call = await self._read(request)
        line = Line(scope, receive, send)
        world = self._world
        with world.lock:
            world.catch_up()
            now = world.timeline.now()
            asked = world.journal.write(_asked(call, now.isoformat()))
            fault = world.faults.match(call, now)
            asked.fault = None if fault is None else fault.kind.value
            known = world.providers[self._name].begin(call)
        answer = await self._answer(call, fault, asked, known)
        if fault is None:
            asked.status = answer.status
            await line.say(answer)
        elif fault.kind is Kind.BLACK_HOLE:
            await line.wait()
        else:
            asked.status = None if fault.kind is Kind.ANSWER_LOST else answer.status
            await line.say_badly(answer, fault)

    async def _read(self, request: Request) -> Call:
        body = await request.body()
        mount = f"/{self._name}"
        headers = dict(request.headers)
        host = headers.get("host", "127.0.0.1")
        return Call(
            self._name,
            request.method,
            request.url.path.removeprefix(mount) or "/",
            request.url.query,
            headers,
            body,
            f"{request.url.scheme}://{host}{mount}",
            str(request.scope["http_version"]),
        )

    async def _answer(self, call: Call, fault: Fault | None, asked: Asked, known: Answer | None) -> Answer:
        """Return what the provider answers; `known` is an answer that was there before the call began."""
        world = self._world
        if fault is not None and fault.kind is Kind.LATENCY:
            with world.lock:
                late_s = waiting_s(fault, world.chance)
            await asyncio.sleep(late_s)
        with world.lock:
            if known is not None:
                return self._played(call, fault, known)
            provider = world.providers[self._name]
            if fault is not None and not fault.done:
                provider.abandon(call)
                answer = spoiled(call, fault, provider, world.timeline.now())
            else:
                asked.carried_out = True
                answer = self._played(call, fault, world.carry_out(call, fault))
                world.catch_up()
            if fault is not None and _is_kept(fault, answer):
                provider.keep(call, answer)
            return answer

    def _played(self, call: Call, fault: Fault | None, answer: Answer) -> Answer:
        """Return an answer as a fault leaves it."""
        if fault is None or fault.kind in _SENT_BADLY:
            return answer
        if fault.kind is Kind.DRIFT:
            return drifted(answer, fault)
        return spoiled(call, fault, self._world.providers[self._name], self._world.timeline.now())


_SENT_BADLY: Final = frozenset(
    {
        Kind.ANSWER_LOST,
        Kind.BLACK_HOLE,
        Kind.CUT,
        Kind.DRIP,
        Kind.HUGE,
        Kind.LATENCY,
        Kind.SPLIT_BRAIN,
        Kind.STALL,
    }
)
"""The kinds that leave the answer as it is and spoil when or how it is sent."""


def _is_kept(fault: Fault, answer: Answer) -> bool:
    """Say whether an error becomes the answer for ever: a 500 does, what an edge or a limit said does not."""
    return fault.kind is Kind.STATUS and bool(
        fault.details.get("stored", answer.status == HTTPStatus.INTERNAL_SERVER_ERROR)
    )


def _asked(call: Call, at: str) -> Asked:
    return Asked(
        0,
        at,
        call.provider,
        call.method,
        call.path,
        call.query,
        masked(call.headers),
        call.body.decode(errors="replace"),
        call.key,
    )
