"""R16: whoever sets the clock of a host opens no window for codes, tokens or campaigns, and stops no work."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import text

from nerava.identity.errors import InvalidToken
from nerava.identity.keys import KeyRing
from nerava.identity.roles import Role
from nerava.identity.tokens import LEEWAY, AccessTokens, TokenOptions
from nerava.kernel.clock import FOLLOWED_BACK_MAX, SystemClock, host_now
from nerava.kernel.ids import new_id
from nerava.ledger.chart import merchant_nova
from nerava.platform.readiness import Expectations, Readiness
from tests.helpers.parallel import in_parallel
from tests.http.conftest import House, opened_house
from tests.http.shop import open_shop, rich_driver
from tests.http.test_redeeming import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock

STEPS: Final = tuple(timedelta(minutes=minutes) for minutes in (10, -10, 24 * 60, -24 * 60, 0))
PRICE: Final = 300
EXACT: Final = timedelta(seconds=1)


@dataclass
class Host:
    """A machine whose clock somebody sets, and what passes on it meanwhile."""

    offset: timedelta = timedelta(0)
    slept: timedelta = timedelta(0)
    clock: SystemClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = SystemClock(self.wall, self.passed_ns)

    def wall(self) -> datetime:
        """Return what the clock on the wall says."""
        return host_now() + self.offset + self.slept

    def passed_ns(self) -> int:
        """Return what has passed, whatever the wall says."""
        return time.monotonic_ns() + self.slept // timedelta(microseconds=1) * 1_000

    def wait(self, span: timedelta) -> None:
        """Let time pass."""
        self.slept += span


class Held:
    """The clock that would be enough if nobody ever set one back: it waits for the wall."""

    def __init__(self, host: Host) -> None:
        self._host, self._last = host, host.wall()

    def now(self) -> datetime:
        """Return what the wall says, or said at its latest."""
        self._last = max(self._last, self._host.wall())
        return self._last


def outlived(folder: Path, clock: Clock, host: Host, by: timedelta) -> bool:
    """Whether an access token is still good so long after its end, on a host set back by a day."""
    tokens = AccessTokens(KeyRing(folder / "keys", clock), clock)
    tokens.keys.rotate()
    token = tokens.issue(new_id(), scopes=["wallet:read"], session_id=new_id())
    host.offset = -timedelta(days=1)
    host.wait(TokenOptions().life + by)
    try:
        tokens.verify(token)
    except InvalidToken:
        return False
    return True


def test_a_token_ends_when_its_time_has_passed_whatever_the_wall_says(tmp_path: Path) -> None:
    host = Host()
    assert outlived(tmp_path, host.clock, host, LEEWAY - EXACT)
    host = Host()
    assert not outlived(tmp_path / "later", host.clock, host, LEEWAY + EXACT)
    host = Host()
    assert outlived(tmp_path / "held", Held(host), host, timedelta(hours=20))  # What this guards against.


def test_a_clock_follows_forwards_and_waits_rather_than_go_back() -> None:
    host = Host()
    began = host.clock.now()
    assert host.clock.follow(began + timedelta(hours=8)) > timedelta(hours=7)
    ahead = host.clock.now()
    assert ahead - began >= timedelta(hours=8)
    assert host.clock.follow(ahead - FOLLOWED_BACK_MAX + EXACT) < timedelta(0)
    assert host.clock.now() - ahead < EXACT
    host.wait(FOLLOWED_BACK_MAX)
    assert timedelta(0) < host.clock.now() - ahead < 2 * EXACT
    before = host.clock.now()
    assert host.clock.follow(before - timedelta(hours=1)) < -timedelta(minutes=59)
    assert host.clock.now() >= before


@dataclass
class Process:
    """One of several processes on a database, with a host of its own."""

    house: House
    host: Host
    readiness: Readiness


@pytest.fixture
def processes(url: str, tmp_path: Path) -> Iterator[list[Process]]:
    """Two processes on PostgreSQL; one, of course, on a SQLite file."""
    found = []
    with ExitStack() as stack:
        for _ in range(1 if url.startswith("sqlite") else 2):
            host = Host()
            house = stack.enter_context(opened_house(url, tmp_path, host.clock))
            readiness = Readiness(house.installation.database, host.clock, Expectations())
            assert readiness.check() == ()
            found.append(Process(house, host, readiness))
        yield found


@pytest.mark.parametrize("seconds", [0.4, pytest.param(30, marks=pytest.mark.chaos)])
def test_clocks_that_are_set_under_load_fail_nobody_and_order_stays(
    processes: list[Process], seconds: float
) -> None:
    first, last = processes[0], processes[-1]
    shop = open_shop(first.house)
    offer_id = shop.offer()
    began, over = host_now(), threading.Event()

    def redeem(number: int) -> list[int]:
        statuses = []
        while not over.is_set():
            driver = rich_driver(first.house, PRICE)
            shown = show(driver, offer_id)
            statuses.append(shown.status_code)
            if shown.status_code == 201:
                till = first.house.caller(Role.MERCHANT_REGISTER, shop.merchant_id)
                at = replace(shop, till=replace(till, client=processes[number % len(processes)].house.client))
                statuses.append(at.capture(shown.json()["code"]).status_code)
        return statuses

    def set_clocks() -> list[int]:
        for step in STEPS:
            last.host.offset = step
            assert last.readiness.check() == ()
            time.sleep(seconds)
        over.set()
        return []

    answers = in_parallel(5, lambda number: set_clocks() if number == 4 else redeem(number))
    statuses = [status for some in answers for status in some]

    done = [status for status in statuses if status < 300]
    assert max(statuses) < 500
    assert len(done) >= 20
    if len(processes) == 2:
        assert (
            done == statuses
        )  # With a lone host, what lives for minutes is over when it is set on by a day.
    rows = first.house.installation.database.read(lambda session: posted(session, shop))
    assert len(rows) == len(done)  # One holds, one captures.
    assert rows == sorted(rows)
    ended = host_now()
    latest = ended if len(processes) == 2 else ended + max(STEPS)  # Of a lone host nobody knows better.
    assert all(began - EXACT <= at <= latest + EXACT for _, at in rows)
    assert (rows[-1][1] > ended + timedelta(hours=1)) == (len(processes) == 1)
    assert first.house.findings() == []


def posted(session: Session, shop: Any) -> list[tuple[int, datetime]]:
    """Return the sequence and instant of every credit of a shop, in the order of sequences."""
    query = text(
        "SELECT t.credit_sequence, t.posted_at FROM ledger_transfer t JOIN ledger_account a ON a.id = t.credit"
        " WHERE a.code = :code ORDER BY t.credit_sequence"
    )
    found = session.execute(query, {"code": merchant_nova(shop.merchant_id)}).all()
    return [(row[0], as_instant(row[1])) for row in found]


def as_instant(value: Any) -> datetime:
    """Return an instant as either database gives it in plain SQL."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)


def test_a_host_that_is_wrong_from_the_beginning_is_not_ready_and_stays_so(
    database_url: Callable[[str], AbstractContextManager[str]], tmp_path: Path
) -> None:
    host = Host(offset=timedelta(minutes=-10))
    with database_url("postgresql") as url, opened_house(url, tmp_path, host.clock) as house:
        readiness = Readiness(house.installation.database, host.clock, Expectations())
        for _ in range(2):
            assert readiness.check() == ("clock: more than 5 s from the database",)
        assert host_now() - host.clock.now() > timedelta(minutes=9)


def test_a_host_that_slept_is_awake_at_the_next_look(url: str, tmp_path: Path) -> None:
    host = Host()
    with opened_house(url, tmp_path, host.clock) as house:
        readiness = Readiness(house.installation.database, host.clock, Expectations())
        assert readiness.check() == ()
        fell_asleep_ns = time.monotonic_ns()
        asleep = SystemClock(host.wall, lambda: fell_asleep_ns)  # No time passes for it.
        kept = Readiness(house.installation.database, asleep, Expectations())
        assert kept.check() == ()
        time.sleep(0.05)
        assert kept.check() == ()
        assert host_now() - asleep.now() < timedelta(milliseconds=40)
