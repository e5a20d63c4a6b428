"""R27: relays that die lose nothing, and two of them never bring one message at once."""

from __future__ import annotations

import json
import statistics
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest

from nerava.outbox.relay import LEASE, HttpSender, Relay, RelayTools, Sent
from tests.chaos.conftest import SEED
from tests.outbox.conftest import Desk, desk, post_office, post_office_server

__all__ = ["desk", "post_office", "post_office_server"]

SIZES = [
    pytest.param(24, 4, id="quick"),
    pytest.param(600, 50, id="full", marks=pytest.mark.chaos),
]
"""Events for each of three endpoints, and relays that die."""


class Died(BaseException):
    """The relay is gone, at this very place."""


@dataclass
class Dying:
    """A sender whose relay dies now and then, before anything left or after it arrived."""

    sender: HttpSender
    random: Random
    left: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        """Send, or die around it."""
        with self.lock:
            dies = self.left > 0 and self.random.random() < 0.15
            self.left -= dies
            arrives = self.random.random() < 0.5
        if dies and not arrives:
            raise Died
        sent = self.sender.send(url, headers, body)
        if dies:
            raise Died
        return sent


@pytest.mark.parametrize(("events", "deaths"), SIZES)
def test_relays_that_die_lose_nothing_and_never_share_a_message(
    desk: Desk,
    events: int,
    deaths: int,
    measured: Callable[[str], None],
) -> None:
    paths = ("/a", "/b", "/dead")
    desk.office.answers["/dead"] = 500
    for path in paths:
        desk.endpoint(path)
    told = [str(one) for one in desk.happen(events)]
    dying = Dying(HttpSender(desk.endpoints.is_local, desk.clock.now), Random(SEED), deaths)
    tools = RelayTools(desk.database, desk.endpoints, desk.clock, dying, lambda *_: None)
    relays = [Relay(tools), Relay(tools)]
    for _ in range(events * 4):
        begun = [one.run(desk.clock.now()) for one in relays]
        for one in relays:
            one.wait(30)
        if not any(begun):
            if all(len(_arrived(desk, path)) == events for path in ("/a", "/b")):
                break
            desk.later(LEASE + timedelta(seconds=1))
    for one in relays:
        one.close()

    assert dying.left < deaths
    doubled = 0
    for path in ("/a", "/b"):
        letters = desk.office.at(path)
        arrived = _arrived(desk, path)
        assert set(arrived) == set(told)
        assert [one for one, ids in arrived.items() if len(ids) > 1] == []
        doubled += len(letters) - events
        assert desk.office.most_at_once[path] == 1
        waits = [late.at - early.at for early, late in pairwise(letters)]
    assert doubled <= deaths - dying.left
    measured(
        f"R27 {events} events for each of 3 endpoints, one of them dead, {deaths - dying.left} deaths: "
        f"0 lost, {doubled} doubled under their own id, one every {statistics.median(waits) * 1_000:.0f} ms"
    )


def _arrived(desk: Desk, path: str) -> dict[str, set[str]]:
    """Return the ids of the messages in which each redemption arrived."""
    found: dict[str, set[str]] = {}
    for letter in desk.office.at(path):
        redemption = json.loads(letter.body)["data"]["redemption_id"]
        found.setdefault(redemption, set()).add(letter.headers["webhook-id"])
    return found
