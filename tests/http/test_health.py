"""What probes and the operator learn of a process, and what takes it out of service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from nerava import __version__, migrations
from nerava.installation import background_of
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.measuring import BEAT_MAX
from nerava.outbox.catalogue import UserEvent
from nerava.outbox.publishing import publish
from nerava.platform.beat_store import beat, beats
from nerava.platform.readiness import COMPONENTS
from nerava.settings import MetricsSettings
from tests.http.conftest import House, opened_house

TOKEN = "a token of the operator's own"  # noqa: S105 - the example
NOON = datetime(2026, 3, 2, 18, tzinfo=UTC)


class Standing:
    """A house whose clock is moved by hand, as its operator sees it."""

    def __init__(self, house: House, clock: FixedClock) -> None:
        self.house = house
        self.clock = clock

    def after(self, span: timedelta) -> tuple[int, dict[str, str]]:
        """Let time pass, check, and return the status and the map of components."""
        self.clock.move_to(self.clock.now() + span)
        self.house.app.state.readiness.check()
        answer = self.house.client.get("/readyz", headers={"Authorization": f"Bearer {TOKEN}"})
        return answer.status_code, answer.json()["components"]

    def work(self, *shares: str) -> None:
        """Let shares of the background work show signs of life."""
        for share in shares:
            self.house.installation.database.run(
                lambda session, one=share: beat(session, one, self.clock.now())
            )


@pytest.fixture
def standing(url: str, tmp_path: Path) -> Iterator[Standing]:
    """A fresh house at noon, on both databases."""
    clock = FixedClock(NOON)
    with opened_house(url, tmp_path, clock, metrics=MetricsSettings(token=TOKEN)) as house:
        house.app.state.readiness._keeper.keep = lambda _session: True  # noqa: SLF001 - noon is not now
        yield Standing(house, clock)


def test_liveness_looks_at_nothing(sqlite_house: House) -> None:
    statements: list[str] = []
    for engine in (sqlite_house.installation.database._engine, sqlite_house.installation.database._readers):  # noqa: SLF001
        event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for path in ("/healthz", "/livez"):
        assert sqlite_house.client.get(path).text == "ok"
    assert statements == []


def test_version_says_what_runs_here(sqlite_house: House) -> None:
    told = sqlite_house.client.get("/version").json()
    assert (told["build"], told["schema_head"]) == (__version__, migrations.head())
    assert told["zone_data"]


def test_the_map_is_the_operators_and_everybody_else_gets_one_word(standing: Standing) -> None:
    status, components = standing.after(timedelta(0))
    assert (status, set(components), set(components.values())) == (200, set(COMPONENTS), {"ok"})
    for headers in ({}, {"Authorization": "Bearer another one of these"}):
        answer = standing.house.client.get("/readyz", headers=headers)
        assert (answer.status_code, answer.text) == (200, "ready")


def test_without_an_operators_token_nobody_gets_the_map(sqlite_house: House) -> None:
    sqlite_house.app.state.readiness.check()
    for token in ("", "None"):
        answer = sqlite_house.client.get("/readyz", headers={"Authorization": f"Bearer {token}"})
        assert answer.text == "ready"


def test_work_that_nobody_does_degrades_and_takes_nothing_out_of_service(standing: Standing) -> None:
    standing.work(*BEAT_MAX)
    assert standing.after(timedelta(seconds=89))[1]["workers"] == "ok"
    standing.work("events")
    status, components = standing.after(timedelta(seconds=6))
    assert (status, components["workers"]) == (200, "degraded: nobody works on own")
    standing.work("own")
    assert standing.after(timedelta(seconds=6))[1]["workers"] == "ok"


def test_events_that_wait_degrade_and_take_nothing_out_of_service(standing: Standing) -> None:
    def happen(session: Session) -> None:
        publish(session, [UserEvent(state="erased", user_id=new_id())], standing.clock.now())

    standing.house.installation.database.run(happen)
    assert standing.after(timedelta(minutes=5))[1]["outbox"] == "ok"
    status, components = standing.after(timedelta(seconds=6))
    assert (status, components["outbox"]) == (200, "degraded: events wait for 306 s")


def test_another_schema_takes_it_out_of_service(standing: Standing) -> None:
    database = standing.house.installation.database
    database.run(lambda session: session.execute(text("UPDATE alembic_version SET version_num = '0001'")))
    status, components = standing.after(timedelta(seconds=1))
    assert status == 503
    assert components["schema"] == "failed: not the one this version was made for"
    assert components["database"] == "ok"
    assert standing.house.client.get("/readyz").text == "not-ready"


def test_every_share_of_the_background_work_shows_that_it_lives(sqlite_house: House) -> None:
    background = background_of(sqlite_house.installation)
    background.start()
    background.stop()
    known = sqlite_house.installation.database.read(beats)
    assert set(known) == set(BEAT_MAX)
