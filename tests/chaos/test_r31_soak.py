"""R31: hours of business with a fault every few minutes leave memory, descriptors and answers as they were."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

import pytest

from nerava import migrations
from nerava.identity.roles import Role
from nerava.kernel.errors import NeravaError
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from tests.chaos.fleet import Fleet, opened_fleet, spread_over
from tests.chaos.test_r30_rolling import PRICE, Regular
from tests.http.shop import nova_of, open_shop, rich_driver

SOAK_S = int(os.environ.get("SOAK_S", "90"))
"""`make soak` lasts an hour, `make chaos` a minute and a half."""

FAULTS = max(3, SOAK_S // 120)
CLIENTS = 3
REST_S = 0.15
TOKEN_S = 240
"""How long a caller uses a token of ten minutes."""

FUNDS = 100_000 * PRICE
WARM_SHARE = 0.3
"""A process that has just begun still fills its caches."""

GROWTH_PER_MINUTE_MAX_KB = 512
GROWTH_IN_ALL_KB = 40_000
DESCRIPTORS_MORE = 16
IS_LONG = SOAK_S >= 1_800
DRIFT_MAX = 0.10
"""By how much the slowest tenth may become slower; in a minute and a half the machine itself changes more."""


class Look(NamedTuple):
    """What one process holds."""

    at: float
    memory_kb: int
    descriptors: int


def look(pid: int) -> Look:
    """Return what a process holds now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (memory,) = [line.split()[1] for line in lines if line.startswith("VmRSS")]
    return Look(time.monotonic(), int(memory), len(list(Path(f"/proc/{pid}/fd").iterdir())))


class Patient(Regular):
    """A regular who takes their time, and notes how long a purchase took."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.took: list[tuple[float, float]] = []

    def live_until(self, ended: threading.Event) -> None:
        """Buy, rest, buy again, and sign in anew before a token is over, as apps do."""
        started = signed_in = time.monotonic()
        while not ended.wait(REST_S) and self.buy():
            self.took.append((started, time.monotonic() - started - REST_S))
            if time.monotonic() > signed_in + TOKEN_S:
                self._sign_in(ended)
                signed_in = time.monotonic()
            started = time.monotonic()

    def _sign_in(self, ended: threading.Event) -> None:
        house, driver, till = self.shop.house, self.driver, self.shop.till
        while not ended.is_set():
            # The database may just be away; the tokens of before are good for some minutes more.
            with suppress(NeravaError):
                self.driver = house.caller(Role.DRIVER, driver.tenant_id, driver.subject)
                renewed = house.caller(Role.MERCHANT_REGISTER, till.tenant_id, till.subject)
                self.shop = replace(self.shop, till=renewed)
                return
            time.sleep(1)


def faults(fleet: Fleet, server: EmbeddedPostgres) -> list[Callable[[], None]]:
    """Return what goes wrong, in turn; the first web process is the one that is watched, and stays."""
    _, web, worker, other = fleet.members

    def lose() -> None:
        os.kill(worker.pid, signal.SIGKILL)
        worker.nursery.wait(worker.pid)
        worker.start()

    return [
        web.restart,
        lambda: server.restart("fast"),
        lose,
        other.restart,
        lambda: server.restart("immediate"),
    ]


@pytest.mark.chaos
@pytest.mark.timeout(SOAK_S + 600)
def test_business_with_faults_leaves_everything_as_it_was(
    tmp_path: Path, measured: Callable[[str], None]
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(fsync=True))
        migrations.upgrade(server.url())
        fleet = stack.enter_context(opened_fleet(server.url(), tmp_path))
        house, client = stack.enter_context(spread_over(fleet))
        shop = open_shop(house)
        offer_id = shop.offer()
        people = [Patient(shop, rich_driver(house, FUNDS), offer_id) for _ in range(CLIENTS)]
        ended = threading.Event()
        threads = [threading.Thread(target=one.live_until, args=(ended,)) for one in people]
        for thread in threads:
            thread.start()
        looks, wrong, started = [], faults(fleet, server), time.monotonic()
        try:
            for number in range(FAULTS):
                until = started + SOAK_S * (number + 1) / FAULTS
                while time.monotonic() < until - SOAK_S / FAULTS / 2:
                    time.sleep(1)
                    looks.append(look(fleet.members[0].pid))
                wrong[number % len(wrong)]()
                while time.monotonic() < until:
                    time.sleep(1)
                    looks.append(look(fleet.members[0].pid))
        finally:
            ended.set()
            for thread in threads:
                thread.join()

        assert [one.failed for one in people if one.failed] == []
        assert fleet.house.findings() == []
        for one in people:
            assert nova_of(fleet.house, one.driver)[0] == FUNDS - one.bought * PRICE
        warm = [one for one in looks if one.at > started + SOAK_S * WARM_SHARE]
        minutes = (warm[-1].at - warm[0].at) / 60
        grown = warm[-1].memory_kb - warm[0].memory_kb
        assert grown < (GROWTH_PER_MINUTE_MAX_KB * minutes if IS_LONG else GROWTH_IN_ALL_KB)
        assert warm[-1].descriptors < warm[0].descriptors + DESCRIPTORS_MORE
        early, late = (slowest(people, *span) for span in ((0.1, 0.5), (0.6, 1.0)))
        assert not IS_LONG or late < early * (1 + DRIFT_MAX)
        bought = sum(one.bought for one in people)
        measured(
            f"R31: {SOAK_S} s, {FAULTS} faults, {bought} purchases, asked again {dict(client.repeated)}; memory "
            f"{grown:+} kB in {minutes:.1f} min, descriptors {warm[0].descriptors} to {warm[-1].descriptors}, "
            f"p90 {early * 1000:.0f} to {late * 1000:.0f} ms"
        )


def slowest(people: list[Patient], after: float, before: float) -> float:
    """Return below which nine of ten purchases of a span were, in seconds."""
    all_of_it = sorted(one for person in people for one in person.took)
    began, over = all_of_it[0][0], all_of_it[-1][0]
    first, last = began + (over - began) * after, began + (over - began) * before
    return quantiles([took for at, took in all_of_it if first <= at <= last], n=10)[-1]
