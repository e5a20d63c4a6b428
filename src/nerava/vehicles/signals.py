"""What a car said, kept with its age: the newest of each, never where it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from nerava.vehicles.model import Vehicle, VehicleSignal
from nerava.vehicles.ports import CAPACITY, PLACE, Heard, Told
from nerava.vehicles.states import LinkState

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.vehicles.model import VehicleLink
    from nerava.vehicles.ports import Signals, Sink

AHEAD_MAX: Final = timedelta(minutes=5)
"""A maker's clock may be so much ahead of ours; what is further in the future proves nothing."""

CODE_CHARACTERS_MAX: Final = 80
BATTERY_WH_MAX: Final = 1_000_000


def take_in(session: Session, link: VehicleLink, signals: Signals, sink: Sink, now: datetime) -> None:
    """Keep what is newer than what is known, hand all of it on, and plan when to ask next.

    The caller holds the link's lock. What has no time of the maker's, or one in the future, is left
    out. An older fact never takes the place of a newer one, so it may come in any order and again.
    """
    dated = [(one, one.at) for one in signals if one.at is not None and one.at <= now + AHEAD_MAX]
    known = {
        one.code: one
        for one in session.scalars(select(VehicleSignal).where(VehicleSignal.link_id == link.id))
    }
    place: Told | None = None
    for one, at in dated:
        code = one.code[:CODE_CHARACTERS_MAX]
        if code == PLACE:
            if one.trouble is None:
                place = Told(one.body, at)
            continue
        row = known.get(code)
        if row is None:
            row = VehicleSignal(link_id=link.id, code=code, body={}, at=at, received_at=now)
            session.add(row)
            known[code] = row
        elif at <= row.at:
            continue
        if one.trouble is not None and row.body:
            row.trouble = one.trouble[:80]  # What it said before stays, with its own age.
            continue
        row.body, row.trouble, row.at, row.received_at = dict(one.body), one.trouble, at, now
    session.flush()
    told = {code: Told(row.body, row.at) for code, row in known.items() if row.body}
    car = session.get_one(Vehicle, link.vehicle_id)
    if (capacity := told.get(CAPACITY)) is not None:
        found = capacity.body.get("value")
        car.battery_wh = found if isinstance(found, int) and 0 < found <= BATTERY_WH_MAX else car.battery_wh
    heard = Heard(
        link_id=link.id,
        vehicle_id=link.vehicle_id,
        driver_id=link.driver_id,
        source=link.provider,
        battery_wh=car.battery_wh,
        told=told,
        place=place,
        is_proof=link.state == LinkState.ACTIVE and link.mode == "live",
    )
    wait = sink(session, heard, now)
    link.heard_at, link.attempts = now, 0
    if link.state in {LinkState.ACTIVE, LinkState.REVIEW}:
        link.next_at = max(now + wait, link.not_before or now)
