"""Finds sessions of other drivers that may be the same charge: one charge earns once, whoever made it.

A charge can be told of by the token of one account and by the car of another. No source knows both, so
what is left is the place, the time and the energy. Two honest drivers side by side must both earn: what
two different chargers, two times or two amounts of energy tell apart is never doubted, and of the rest
the one that came later waits for a person.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, or_, select, tuple_

from nerava.charging.evidence import EvidenceLevel
from nerava.charging.matching import SAME_PLACE_M, metres_between
from nerava.charging.model import ChargingLocation, ChargingSession, Connector, Evse
from nerava.charging.verification import OVERLAP_TOLERANCE, SHORTEST, FindingCode, Neighbour

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row, Select
    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession

LOOK_BACK: Final = timedelta(hours=24)
"""A car may begin that much later than the operator whose cable it is on."""

BEGINS_WITHIN: Final = timedelta(minutes=15)
"""By how much two sources may differ about when one charge began."""

ENERGY_TOLERANCE_PERCENT: Final = 15
ENERGY_TOLERANCE_WH: Final = 2_000
"""Cars count in percents of a battery whose size they round, and meters count what gets lost on the way."""

_DEGREES_NORTH: Final = SAME_PLACE_M / 111_195 * 1.01
_DEGREES_EAST: Final = 0.2
"""Wide enough for the same distance up to one degree from a pole."""

_COMPARED: Final = ("started_at", "ended_at", "energy_wh", "created_at", "source", "reference")
_BY_CAR: Final = (EvidenceLevel.TELEMETRY, EvidenceLevel.TELEMETRY_AND_CHARGER)
_T: Final[Any] = ChargingSession.__table__
_PLACE: Final[Any] = ChargingLocation.__table__
_PLUG: Final[Any] = Connector.__table__
_EVSE: Final[Any] = Evse.__table__


class Told(NamedTuple):
    """What is known of one session. `evse_place` is the location to which the EVSE belongs."""

    started_at: datetime
    ended_at: datetime
    energy_wh: int
    evidence_level: int
    evse_id: UUID | None
    evse_place: UUID | None

    @property
    def by_car(self) -> bool:
        """Whether a car measured it, and no operator."""
        return self.evidence_level in _BY_CAR


class Doubles(NamedTuple):
    """What was found around sessions that are judged.

    Attributes:
        earlier: By session, those that may be the same charge and came before it.
        waiting: Sessions that may be the charge of one that another worker decides at this moment.
    """

    earlier: Mapping[UUID, Sequence[Neighbour]]
    waiting: Collection[UUID]


NONE: Final = Doubles({}, ())


def may_be_one(one: Told, other: Told) -> bool:
    """Return whether nothing shows that two sessions at one place are two charges.

    Two chargers of one location are two charges. So are a car that took in more than the charger
    gave, or that began before it; and two operators' words that begin at two times or tell of two
    amounts. When a car ended shows nothing: it may have told of it hours later. Nor does it that
    it counted little: it counts from its first word.
    """
    if min(one.ended_at, other.ended_at) - max(one.started_at, other.started_at) <= OVERLAP_TOLERANCE:
        return False
    if one.evse_id is not None and one.evse_id == other.evse_id:
        return True
    if one.evse_place is not None and one.evse_place == other.evse_place:
        return False
    if one.by_car == other.by_car:
        apart = abs(one.started_at - other.started_at)
        return apart <= BEGINS_WITHIN and _not_more(one, other) and _not_more(other, one)
    car, operator = (one, other) if one.by_car else (other, one)
    return car.started_at >= operator.started_at - BEGINS_WITHIN and _not_more(car, operator)


def _not_more(one: Told, other: Told) -> bool:
    most_wh = other.energy_wh * (100 + ENERGY_TOLERANCE_PERCENT) // 100 + ENERGY_TOLERANCE_WH
    return one.energy_wh <= most_wh


def doubles_of(session: Session, claimed: Sequence[EvidencedSession]) -> Doubles:
    """Return the sessions of other drivers, told by other sources, that may be the charges claimed.

    The one that came first stands: the one that was decided first, or of two that are not decided
    the one that was known first. One that gave way to a session does not count against it. Of two
    that two workers decide at one moment one waits, so both cannot be taken for the only one:
    whoever comes later finds the other decided. Takes locks, and waits for none.
    """
    if not claimed:
        return NONE
    pairs = _close_by(session, claimed)
    mixed = _told_of_by_several(session, claimed)
    concerned = [
        one.id for one in claimed if one.location_id in mixed or any(one.location_id == a for a, _ in pairs)
    ]
    if not concerned:
        return NONE
    query = _fitting(concerned, pairs, min(one.started_at for one in claimed) - LOOK_BACK)
    rows = [row for row in session.execute(query) if _is_rival(row)]
    mine = {one.id for one in claimed}
    if open_to_all := {row.id for row in rows if _is_undecided(row)} - mine:
        held = select(_T.c.id).where(_T.c.id.in_(open_to_all)).order_by(_T.c.id)
        mine |= set(session.scalars(held.with_for_update(skip_locked=True, key_share=True)))
        # What others decided before the locks were ours is seen by a second look only.
        rows = [row for row in session.execute(query) if _is_rival(row)]
    earlier: dict[UUID, list[Neighbour]] = defaultdict(list)
    waiting: set[UUID] = set()
    for row in rows:
        if _came_first(row):
            earlier[row.mine_id].append(Neighbour(row.id, row.started_at, row.ended_at))
        elif row.id not in mine:
            waiting.add(row.mine_id)
    return Doubles(earlier, waiting - earlier.keys())


def _is_rival(row: Row[Any]) -> bool:
    if row.ended_at - row.started_at < SHORTEST or _gave_way(row):
        return False
    mine = Told(
        row.mine_started_at,
        row.mine_ended_at,
        row.mine_energy_wh,
        row.mine_level,
        row.mine_evse,
        row.mine_evse_place,
    )
    return may_be_one(
        mine, Told(row.started_at, row.ended_at, row.energy_wh, row.level, row.evse, row.evse_place)
    )


def _gave_way(row: Row[Any]) -> bool:
    """Return whether the other one was doubted for the sake of mine."""
    kinds = (FindingCode.ANOTHER_DRIVERS, FindingCode.CONNECTOR_OVERLAP)
    return any(code in kinds and facts.get("session") == str(row.mine_id) for code, _, facts in row.findings)


def _known_first(row: Row[Any]) -> bool:
    other = (row.created_at, row.started_at, row.source, row.reference)
    return bool(other < (row.mine_created_at, row.mine_started_at, row.mine_source, row.mine_reference))


def _came_first(row: Row[Any]) -> bool:
    return row.evaluations > 0 or _known_first(row)


def _is_undecided(row: Row[Any]) -> bool:
    return not _came_first(row)


def _close_by(session: Session, claimed: Sequence[EvidencedSession]) -> set[tuple[UUID, UUID]]:
    """Return pairs of a session's location and another one at most 250 m away.

    Sources put one site at different points.
    """
    placed = {one.location_id for one in claimed if one.latitude is not None}
    if not placed:
        return set()
    here, there = _PLACE.alias(), _PLACE.alias()
    east = func.abs(there.c.longitude - here.c.longitude)
    query = (
        select(here.c.id, there.c.id, here.c.latitude, here.c.longitude, there.c.latitude, there.c.longitude)
        .join(
            there,
            there.c.latitude.between(here.c.latitude - _DEGREES_NORTH, here.c.latitude + _DEGREES_NORTH),
        )
        .where(
            here.c.id.in_(placed),
            there.c.id != here.c.id,
            or_(east <= _DEGREES_EAST, east >= 360 - _DEGREES_EAST),
        )
    )
    return {
        (mine, other)
        for mine, other, *at in session.execute(query)
        if metres_between((at[0], at[1]), (at[2], at[3])) <= SAME_PLACE_M
    }


def _told_of_by_several(session: Session, claimed: Sequence[EvidencedSession]) -> set[UUID]:
    """Return the locations of which more than one source told lately: elsewhere no charge is told twice."""
    query = (
        select(_T.c.location_id)
        .where(
            _T.c.location_id.in_({one.location_id for one in claimed}),
            _T.c.started_at >= min(one.started_at for one in claimed) - LOOK_BACK,
            _T.c.started_at < max(one.ended_at for one in claimed),
        )
        .group_by(_T.c.location_id)
        .having(func.min(_T.c.source) != func.max(_T.c.source))
    )
    return set(session.scalars(query))


def _fitting(ids: Sequence[UUID], pairs: Collection[tuple[UUID, UUID]], earliest: datetime) -> Select[Any]:
    """Return the query for sessions near others in place and time; one source tells each charge once."""
    mine, other = _T.alias("mine"), _T.alias("other")
    my_plug, my_evse, plug, evse = _PLUG.alias(), _EVSE.alias(), _PLUG.alias(), _EVSE.alias()
    same_place = other.c.location_id == mine.c.location_id
    if pairs:
        same_place = or_(same_place, tuple_(mine.c.location_id, other.c.location_id).in_(sorted(pairs)))
    return (
        select(
            mine.c.id.label("mine_id"),
            *(mine.c[name].label(f"mine_{name}") for name in _COMPARED),
            mine.c.evidence_level.label("mine_level"),
            my_evse.c.id.label("mine_evse"),
            my_evse.c.location_id.label("mine_evse_place"),
            other.c.id,
            *(other.c[name] for name in _COMPARED),
            other.c.evidence_level.label("level"),
            other.c.evaluations,
            other.c.findings,
            evse.c.id.label("evse"),
            evse.c.location_id.label("evse_place"),
        )
        .join(other, same_place)
        .outerjoin(my_plug, my_plug.c.id == mine.c.connector_id)
        .outerjoin(my_evse, my_evse.c.id == my_plug.c.evse_id)
        .outerjoin(plug, plug.c.id == other.c.connector_id)
        .outerjoin(evse, evse.c.id == plug.c.evse_id)
        .where(
            mine.c.id.in_(ids),
            other.c.driver_id != mine.c.driver_id,
            other.c.source != mine.c.source,
            other.c.state.in_(("closed", "verified", "review")),
            other.c.started_at >= earliest,
            other.c.started_at < mine.c.ended_at,
            other.c.ended_at > mine.c.started_at,
            other.c.energy_wh > 0,
            other.c.evidence_level > int(EvidenceLevel.PRESENCE),
        )
    )
