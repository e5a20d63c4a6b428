"""The page of the demo: records that come in are told once, with their reasons, beside books that agree."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import select

from nerava.charging.model import ChargingLocation, ChargingSession
from nerava.charging.recordings import Limits
from nerava.commands.output import Output
from nerava.commands.replay import replay_into
from nerava.demo.arrivals import KEPT, Arrivals, apart, arriving
from nerava.demo.city import STATION
from nerava.demo.live_view import EARLIER, latest, live_view
from nerava.integrations import datasets
from nerava.kernel.ids import new_id
from nerava.kernel.switch_names import EARN
from nerava.ledger.switches import approve_release, ask_release, turn_on
from nerava.replay.run import ReplayOptions, first, read_all
from nerava.replay.settling import Ground
from tests.http.conftest import House, opened_house
from tests.http.shop import open_shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from nerava.replay.run import Sorted

pytestmark = pytest.mark.in_turn

BEFORE, LATER = 20, 6
OPTIONS = ReplayOptions("sample", drivers=3)


@pytest.fixture
def watched(url: str, tmp_path: Path) -> Iterator[House]:
    """A house with the beginning of a recording in its books."""
    with opened_house(url, tmp_path) as house:
        before, _ = recording(house)
        replay_into(Output(as_json=True), house.installation, before, OPTIONS, 3)
        yield house


def recording(house: House) -> tuple[Sorted, Sorted]:
    limits = Limits(now=house.installation.clock.now())
    whole = read_all(datasets.read_dataset("sample", datasets.default_data_dir(), limits))
    return apart(first(whole, BEFORE + LATER), BEFORE)


@contextmanager
def shown(house: House, grounds: list[Ground] | None = None) -> Iterator[Arrivals]:
    """Serve the page of a demo while records come in."""
    earlier = house.installation.database.read(latest)
    _, later = recording(house)
    with arriving(house.installation, later, OPTIONS, grounds or [], earlier, every_s=0) as arrivals:
        standing = list(house.app.router.routes)
        house.app.router.routes.extend(live_view(arrivals, grounds or [], STATION, is_recorded=False).routes)
        try:
            yield arrivals
        finally:
            house.app.router.routes[:] = standing


def told(house: House, after: int = 0) -> Any:
    answer = house.client.get("/demo/feed", params={"after": after})
    assert answer.status_code == 200, answer.text
    return answer.json()


def people(house: House, arrived: list[Any]) -> set[UUID]:
    """Return whose sessions these are."""
    ids = [UUID(one["session"]["id"]) for one in arrived]
    query = select(ChargingSession.driver_id).where(ChargingSession.id.in_(ids))
    return set(house.installation.database.read(lambda session: session.scalars(query).all()))


def until_all_came(house: House) -> Any:
    """Return what the page is told in the end."""
    until = time.monotonic() + 30
    while (feed := told(house))["left"] and time.monotonic() < until:
        time.sleep(0.02)
    return feed


def test_each_record_comes_in_once_with_its_reasons_and_the_books_agree(watched: House) -> None:
    with shown(watched):
        feed = until_all_came(watched)
        assert (feed["left"], feed["number"]) == (0, EARLIER + LATER)
        assert [one["number"] for one in feed["arrived"]] == list(range(1, EARLIER + LATER + 1))
        assert len({one["session"]["id"] for one in feed["arrived"]}) == EARLIER + LATER
        assert all(one["decision"]["campaigns"] for one in feed["arrived"])
        books = feed["books"]
        assert books["reserve_minor"] == books["circulation"] == books["issued"] - books["burnt"] > 0
        assert (books["alarms"], books["sessions"]) == (0, BEFORE + LATER)
        assert told(watched, after=feed["number"])["arrived"] == []
        points = sum(one["decision"]["points"] for one in told(watched, after=EARLIER)["arrived"])
        assert points > 0
        assert (
            people(watched, feed["arrived"][:EARLIER]) & people(watched, feed["arrived"][EARLIER:]) == set()
        )
    with shown(watched) as again:
        number, left, came = again.after(0)
        assert (left, number, len(came)) == (0, len(came), len({one for _, one in came}))
        assert told(watched)["books"] == books
    assert watched.findings() == []


def test_while_money_is_stopped_records_wait_and_the_page_goes_on(watched: House) -> None:
    database, now = watched.installation.database, watched.installation.clock.now()
    database.run(lambda session: turn_on(session, EARN, by="ops", reason="a drill", now=now))
    with shown(watched) as arrivals:
        assert until_all_came(watched)["left"] == 0
        assert arrivals.after(EARLIER)[2] == [], "none of them was decided"
    asked = database.run(lambda session: ask_release(session, EARN, by="ops", reason="over", now=now))
    database.run(lambda session: approve_release(session, asked.id, by="other", now=now))
    assert watched.findings() == []


def test_chargers_and_what_nova_buys_stand_on_the_map(watched: House) -> None:
    place = {"latitude": STATION.latitude, "longitude": STATION.longitude}
    offer = open_shop(watched, **place).offer()
    location = ChargingLocation(
        source="demo", reference="1", name="Eliel", timezone="Europe/Helsinki", **place
    )

    def unit(session: Session) -> UUID:
        session.add(location)
        session.flush()
        return location.id

    charger = watched.installation.database.run(unit)
    with shown(watched, [Ground("demo:1", charger, "Europe/Helsinki")]):
        scene = watched.client.get("/demo/scene").json()
    assert scene["is_recorded"] is False
    [pin], [bought] = scene["chargers"], scene["offers"]
    assert (pin["id"], pin["name"], pin["latitude"]) == (str(charger), "Eliel", STATION.latitude)
    assert (bought["id"], bought["longitude"]) == (offer, STATION.longitude)
    assert bought["points"] > 0


def test_the_page_loads_only_what_there_is_and_from_nowhere_else(watched: House) -> None:
    with shown(watched):
        page = watched.client.get("/demo")
        assert page.headers["content-type"].startswith("text/html")
        assert "script-src 'self'" in page.headers["content-security-policy"]
        folder = files("nerava.demo").joinpath("files")
        loaded = set(re.findall(r'(?:href|src)="(/[^"]+)"', page.text))
        for one in folder.iterdir():
            text = one.read_text("utf-8")
            loaded |= set(re.findall(r'from "(/[^"]+)"', text))
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), one.name
        own = {one for one in loaded if one.startswith("/demo/files/")}
        assert len(own) == len(list(folder.iterdir())) - 1, "all but the page itself"
        for path in sorted(loaded - {"/demo/people"}):
            assert watched.client.get(path).status_code == 200, path
        assert watched.client.get("/demo/files/other.js").status_code == 404


def test_somebody_who_comes_late_is_told_of_the_newest_alone() -> None:
    everything: list[UUID] = [new_id() for _ in range(KEPT + 5)]
    arrivals = Arrivals(everything[:3], left=KEPT + 4)
    for one in everything[3:]:
        arrivals.came(one)
    arrivals.came(None)
    number, left, came = arrivals.after(0)
    assert (number, left) == (KEPT + 5, 1)
    assert [one for _, one in came] == everything[-KEPT:]
    assert came[-1] == (number, everything[-1])
    assert arrivals.after(number) == (number, left, [])
