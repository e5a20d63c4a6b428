"""Swaps the places of an area: new, changed, come back, and those that their source no longer has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import select

from nerava.discovery import edits
from nerava.discovery.checking import NAME_LENGTH_MAX, cut_text, kept_text
from nerava.discovery.model import Place
from nerava.kernel.geography import Point
from nerava.kernel.ids import new_id
from nerava.platform.db.bulk import BulkInsert, BulkUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.discovery.areas import Area
    from nerava.discovery.staging import Staged

_T: Final[Any] = Place.__table__
_FACTS: Final = (
    "name",
    "names",
    "category",
    "kind",
    "opening_hours",
    "wheelchair",
    "website",
    "phone",
    "address",
    "brand",
    "brand_wikidata",
    "doors",
    "also",
    "latitude",
    "longitude",
    "cell",
    "fingerprint",
)
_STATE: Final = ("absences", "gone_at", "imported_at")
_DOCUMENTS: Final = frozenset({"names", "address", "doors", "also"})

_NEW: Final = BulkInsert(_T, ("id", "source", "reference", *_FACTS, *_STATE))
_CHANGED: Final = BulkUpdate(_T, match=("id",), assign=(*_FACTS, *_STATE))
_SEEN: Final = BulkUpdate(_T, match=("id",), assign=_STATE)


def swap_places(session: Session, area: Area, staged: Sequence[Staged]) -> list[Point]:
    """Write the places of an area and return where ways on foot may have changed."""
    known = _known(session, area.source, [one.reference for one in staged])
    moved: list[Point] = []
    fresh = {one.reference: one for one in staged if _is_news(known.get(one.reference), one)}
    values = edits.laid_over(
        session, edits.PLACE, area.source, {name: _values(one) for name, one in fresh.items()}
    )
    new, changed, seen = [], [], []
    for one in staged:
        before = known.get(one.reference)
        after = values.get(one.reference)
        if after is not None:
            facts = [_stored(name, after[name]) for name in _FACTS]
            state = (0, None, area.now)
            if before is None:
                new.append((new_id(), area.source, one.reference, *facts, *state))
            else:
                changed.append((before.id, *facts, *state))
            moved += _moved(before, after)
        elif before is not None and (before.absences or before.gone_at):
            seen.append((before.id, 0, None, area.now))
            if before.gone_at:
                moved.append(Point(before.latitude, before.longitude))
        else:
            area.counts["same"] += 1
    _NEW.run(session, new)
    _CHANGED.run(session, changed)
    _SEEN.run(session, seen)
    area.counts.update(added=len(new), changed=len(changed), returned=len(seen))
    return moved + _let_go(session, area)


def _known(session: Session, source: str, references: list[str]) -> dict[str, Any]:
    columns = (
        _T.c.id, _T.c.reference, _T.c.fingerprint, _T.c.absences, _T.c.gone_at, _T.c.latitude, _T.c.longitude
    )  # fmt: skip
    query = select(*columns).where(_T.c.source == source, _T.c.reference.in_(references))
    return {row.reference: row for row in session.execute(query)}


def _is_news(before: Any, one: Staged) -> bool:  # noqa: ANN401 - a row
    return before is None or before.fingerprint != one.fingerprint


def _moved(before: Any, after: dict[str, Any]) -> list[Point]:  # noqa: ANN401 - a row
    here = Point(after["latitude"], after["longitude"])
    if before is None or before.gone_at:
        return [here]
    there = Point(before.latitude, before.longitude)
    return [] if there == here else [there, here]


def _let_go(session: Session, area: Area) -> list[Point]:
    absent = area.absent(session, _T, "place")
    rows, gone = [], []
    for row in absent:
        is_gone = row.absences + 1 >= area.absences_max
        rows.append((row.id, row.absences + 1, area.now if is_gone else None, row.imported_at))
        if is_gone:
            gone.append(Point(row.latitude, row.longitude))
    _SEEN.run(session, rows)
    area.counts.update(gone=len(gone), absent=len(rows) - len(gone))
    return gone


def _values(one: Staged) -> dict[str, Any]:
    body = orjson.loads(one.body)
    latitude, longitude = body["position"]
    names = {
        key[:20]: text for key, name in body["names"].items() if (text := kept_text(name, NAME_LENGTH_MAX))
    }
    return {
        "name": cut_text(body["name"], NAME_LENGTH_MAX),
        "names": names,
        "category": body["category"],
        "kind": kept_text(body["kind"], 120),
        "opening_hours": kept_text(body["opening_hours"], 500),
        "wheelchair": body["wheelchair"],
        "website": kept_text(body["website"], 500),
        "phone": kept_text(body["phone"], 80),
        "address": kept_address(body["address"]),
        "brand": kept_text(body["brand"], 120),
        "brand_wikidata": kept_text(body["brand_wikidata"], 20),
        "doors": body["doors"],
        "also": body["also"],
        "latitude": latitude,
        "longitude": longitude,
        "cell": one.cell,
        "fingerprint": one.fingerprint,
    }


def kept_address(address: dict[str, Any]) -> dict[str, str]:
    """Return the parts of an address that a source knows."""
    return {part: text for part, value in address.items() if (text := kept_text(value, 200))}


def _stored(name: str, value: Any) -> Any:  # noqa: ANN401 - a column's value
    return orjson.dumps(value).decode() if name in _DOCUMENTS else value
