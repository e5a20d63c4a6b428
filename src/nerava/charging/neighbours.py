"""What lies around sessions that are judged: others that were known earlier and touch them in time."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import literal_column, select, tuple_, union_all

from nerava.charging.doubts import doubts_about
from nerava.charging.model import ChargingSession
from nerava.charging.verification import SHORTEST, Context, Neighbour

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession

LOOK_BACK: Final = timedelta(days=14)
"""How far before a session others are looked at: twice the longest session that can be recorded."""

_T: Final[Any] = ChargingSession.__table__
_S: Final[Any] = _T.c


def contexts_of(
    session: Session, claimed: Sequence[EvidencedSession], of_place: Mapping[UUID, Sequence[Neighbour]]
) -> dict[UUID, Context]:
    """Return what was known before each session and overlaps it, in one statement for all.

    `of_place` are sessions of other drivers that may be the same charge; one that is found for its
    connector anyway is not told twice.
    """
    if not claimed:
        return {}
    ids = [one.id for one in claimed]
    earliest = min(one.started_at for one in claimed) - LOOK_BACK
    found: dict[str, dict[UUID, list[Neighbour]]] = {
        "driver": defaultdict(list),
        "connector": defaultdict(list),
    }
    query = union_all(_overlaps("driver", ids, earliest), _overlaps("connector", ids, earliest))
    for row in session.execute(query):
        if row.ended_at - row.started_at >= SHORTEST:
            found[row.shared][row.mine].append(Neighbour(row.id, row.started_at, row.ended_at))
    of_driver, of_connector, doubts = found["driver"], found["connector"], doubts_about(session, claimed)
    return {
        key: Context(
            of_driver.get(key, ()),
            of_connector.get(key, ()),
            [one for one in of_place.get(key, ()) if one not in of_connector.get(key, ())],
            doubts.get(key, ()),
        )
        for key in of_driver.keys() | of_connector.keys() | of_place.keys() | doubts.keys()
    }


def _overlaps(shared: str, ids: Sequence[UUID], earliest: datetime) -> Select[Any]:
    other: Any = _T.alias()
    column = f"{shared}_id"
    known_first = tuple_(other.c.created_at, other.c.started_at, other.c.source, other.c.reference)
    known_later = tuple_(_S.created_at, _S.started_at, _S.source, _S.reference)
    return (
        select(
            literal_column(f"'{shared}'").label("shared"),
            _S.id.label("mine"),
            other.c.id,
            other.c.started_at,
            other.c.ended_at,
        )
        .join(other, other.c[column] == _S[column])
        .where(
            _S.id.in_(ids),
            other.c.started_at >= earliest,
            other.c.started_at < _S.ended_at,
            other.c.ended_at > _S.started_at,
            other.c.energy_wh > 0,
            known_first < known_later,
        )
    )
