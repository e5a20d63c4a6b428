"""Carries webhooks to their endpoints over real HTTP."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import (  # noqa: TID251 - this stands for another machine: no code shared with our calls
    HTTPConnection,
    HTTPException,
    HTTPSConnection,
)
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from nerava.simulators.webhooks import Attempt, State

if TYPE_CHECKING:
    from datetime import datetime

    from nerava.simulators.webhooks import Delivery, Sending
    from nerava.simulators.world import World

LOOK_EVERY_S: Final = 0.02
"""How often somebody who sends by himself looks at the queue and the clock."""


class Courier:
    """Delivers what is due, one after the other: by itself while it runs, or when told to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None
        self.by_hand = False

    def start(self) -> None:
        """Deliver by itself from now on."""
        self._thread = threading.Thread(target=self._run, name="simulated-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Deliver no more; returns when the last one is through."""
        self._ends.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(LOOK_EVERY_S):
            with self._world.lock:
                self._world.catch_up()
            if not self.by_hand:
                self.deliver_due(until=self._ends)

    def deliver_due(self, until: threading.Event | None = None) -> list[Delivery]:
        """Deliver everything that is due now and return it; ends early when `until` is set."""
        done: list[Delivery] = []
        while batch := self._due():
            for told in batch:
                if until is not None and until.is_set():
                    return done
                if self._carry(told, only_if_due=True):
                    done.append(told)
        return done

    def _due(self) -> list[Delivery]:
        with self._world.lock:
            return self._world.webhooks.due()

    def deliver(self, delivery_id: str) -> Delivery:
        """Deliver one now, due or not, also once more.

        Raises:
            NoSuchThing: There is no such webhook (404).
        """
        with self._world.lock:
            told = self._world.webhooks.find(delivery_id)
        self._carry(told, only_if_due=False)
        return told

    def _carry(self, told: Delivery, *, only_if_due: bool) -> bool:
        """Carry a webhook, unless somebody did meanwhile; the world is not locked while it is on its way."""
        world = self._world
        with world.lock:
            if only_if_due and not world.webhooks.is_due(told):
                return False
            told.state = State.ON_ITS_WAY
            provider = world.providers[told.provider]
            sending = world.webhooks.sending(told, provider)
            at = world.timeline.now()
            copies, told.at_once = told.at_once, 1
        if copies == 1:
            attempts = [carry(sending, at)]
        else:
            with ThreadPoolExecutor(copies) as threads:
                attempts = [
                    one.result() for one in [threads.submit(carry, sending, at) for _ in range(copies)]
                ]
        with world.lock:
            for attempt in attempts:
                world.webhooks.record(told, attempt, provider.retry_gaps_s)
        return True


def carry(sending: Sending, at: datetime) -> Attempt:
    """Send a webhook and return what came of it. A redirect is an answer, and not followed."""
    if sending.url is None:
        return Attempt(at, None, 0, "it has no address")
    parts = urlsplit(sending.url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    began = time.monotonic()
    connection = kind(parts.hostname or "", parts.port, timeout=sending.answer_limit_s)
    status, error = None, None
    try:
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request("POST", path, body=sending.body, headers=sending.headers)
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except (OSError, HTTPException) as failure:
        error = f"{type(failure).__name__}: {failure}"
    finally:
        connection.close()
    took_s = time.monotonic() - began
    if error is None and took_s > sending.answer_limit_s:
        error = f"the answer came after more than {sending.answer_limit_s} s"
    return Attempt(at, status, int(took_s * 1_000), error)
