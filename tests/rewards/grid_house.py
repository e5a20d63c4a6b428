"""A house whose location lies in a region of the grid, and short words for what its series says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from nerava.grid.carbon import Interval, Region, Signal
from nerava.grid.model import GridCarbon, GridSite
from nerava.grid.store import register_region, save_series
from nerava.grid.watching import look_again
from tests.rewards.house import START

if TYPE_CHECKING:
    from uuid import UUID

    from tests.rewards.house import House

NORTH = Region("test", "NORTH", Signal.MARGINAL)
SOUTH = Region("test", "SOUTH", Signal.MARGINAL)
AVERAGE = Region("test", "NORTH", Signal.AVERAGE)
GRAM = 1_000


def series(*grams: int | None, minutes: int = 30, since: datetime = START, **rest: Any) -> list[Interval]:
    """Return intervals of so many grams each, one after the other; None is a gap."""
    length = timedelta(minutes=minutes)
    return [
        Interval(since + number * length, since + (number + 1) * length, value * GRAM, **rest)
        for number, value in enumerate(grams)
        if value is not None
    ]


def region(house: House, one: Region = NORTH) -> UUID:
    """Return the id of a region."""
    return house.database.run(
        lambda session: register_region(session, one.source, one.name, one.signal.value, now=house.now),
        repeatable=True,
    )


def lies_in(house: House, one: Region | None = NORTH, location: UUID | None = None) -> None:
    """Let a location lie in a region, the house's unless another is named; None is nowhere."""
    signal = Signal.MARGINAL if one is None else one.signal
    there = None if one is None else region(house, one)

    def work(session: Any) -> None:
        place = location or house.location
        known = session.get(GridSite, (place, signal.value))
        if known is not None:
            known.region_id = there
            return
        values = {"location_id": place, "signal": signal.value, "region_id": there, "asked_at": house.now}
        session.execute(insert(GridSite).values(**values))

    house.database.run(work, repeatable=True)


def told(house: House, intervals: list[Interval], one: Region = NORTH) -> int:
    """Let a source say something about a region."""
    there = region(house, one)
    return house.database.run(
        lambda session: save_series(session, there, intervals, house.now), repeatable=True
    )


def look(house: House) -> int:
    """Look again at sessions whose values came or changed, and decide what has to be decided."""
    seen = house.database.run(lambda session: look_again(session, house.now), repeatable=True)
    house.evaluate()
    return seen


def editions(house: House) -> list[tuple[int, int]]:
    """Return editions and grams of all settled values, in order of time."""
    query = (
        select(GridCarbon.edition, GridCarbon.mg_per_kwh)
        .where(GridCarbon.is_settled)
        .order_by(GridCarbon.starts_at, GridCarbon.edition)
    )
    rows = house.database.read(lambda session: session.execute(query).all())
    return [(edition, mg // GRAM) for edition, mg in rows]
