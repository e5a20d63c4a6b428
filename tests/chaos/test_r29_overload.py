"""R29: far more than it can do makes a process refuse quickly what is too much, and do the rest as fast as ever."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.helpers.databases import DatabaseUrl
from tests.http.conftest import Caller, House, opened_house
from tests.http.test_serving import serving

AT_ONCE = 8
"""How many requests the process takes at once here; so many clients are its capacity."""

REFUSED_WITHIN_S = 0.05
PAUSE_S = 0.2


class Form(NamedTuple):
    """How long each phase lasts, and how much of the peak must be left."""

    phase_s: float
    share_min: float


FORMS = [
    pytest.param(Form(2, 0.6), id="quick"),
    pytest.param(Form(60, 0.8), id="full", marks=[pytest.mark.chaos, pytest.mark.timeout(600)]),
]


class Served(NamedTuple):
    """One process that serves, and the house behind it."""

    house: House
    port: int
    pid: int


@pytest.fixture
def served(database_url: DatabaseUrl, tmp_path: Path) -> Iterator[Served]:
    """A process that takes eight requests at once, on PostgreSQL."""
    with (
        database_url("postgresql") as url,
        opened_house(url, tmp_path) as house,
        serving(url, tmp_path, NERAVA_SERVER__REQUESTS_MAX=str(AT_ONCE)) as (process, port),
    ):
        yield Served(house, port, process.pid)


class Phase:
    """Clients that write one thing after the other, and pause when they are refused."""

    def __init__(self, served: Served, caller: Caller) -> None:
        self._port, self._caller = served.port, caller
        self._ended = threading.Event()
        self.told: Counter[int] = Counter()
        self.refused_s: list[float] = []
        self.alive_s: list[float] = []

    def run(self, clients: int, seconds: float) -> float:
        """Let so many clients go on for a while; return how many requests were carried out a second."""
        threads = [threading.Thread(target=self._write) for _ in range(clients)]
        threads.append(threading.Thread(target=self._look))
        started = time.monotonic()
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self._ended.set()
        for thread in threads:
            thread.join()
        return self.told[200] / (time.monotonic() - started)

    def _write(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._ended.is_set():
            started = time.monotonic()
            connection.request(
                "POST", f"/v1/idempotency-keys/{new_id()}/cancel", headers=self._caller.headers()
            )
            answer = connection.getresponse()
            answer.read()
            self.told[answer.status] += 1
            if answer.status in {429, 503}:
                assert int(answer.headers["Retry-After"]) >= 1
                self.refused_s.append(time.monotonic() - started)
                time.sleep(PAUSE_S)
        connection.close()

    def _look(self) -> None:
        """Ask for what costs nothing, to know how slow the machine itself is."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._ended.wait(0.02):
            started = time.monotonic()
            connection.request("GET", "/version")
            answer = connection.getresponse()
            answer.read()
            self.alive_s.append(time.monotonic() - started)
        connection.close()


def memory(pid: int) -> int:
    """Return how much memory a process holds, in kB."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS")]
    return int(line.split()[1])


@pytest.mark.parametrize("form", FORMS)
def test_four_times_as_much_as_it_can_do_is_refused_quickly_and_the_rest_is_done(
    served: Served, form: Form, measured: Callable[[str], None]
) -> None:
    caller = served.house.caller(Role.DRIVER)
    Phase(served, caller).run(AT_ONCE // 2, 0.5)  # What is done for the first time is slower.

    calm = Phase(served, caller)
    peak = calm.run(AT_ONCE - 1, form.phase_s)
    before = memory(served.pid)
    wave = Phase(served, caller)
    goodput = wave.run(4 * AT_ONCE, form.phase_s)

    assert calm.told.keys() <= {200, 503}
    assert wave.told.keys() == {200, 503}
    assert goodput > form.share_min * peak
    assert memory(served.pid) < 2 * before
    assert median(wave.refused_s) < median(wave.alive_s) + REFUSED_WITHIN_S
    assert served.house.findings() == []
    measured(
        f"R29: {peak:.0f} a second at its capacity, {goodput:.0f} under four times as much; {wave.told[503]} refused, "
        f"half of them within {median(wave.refused_s) * 1000:.0f} ms"
    )
