"""Edits by hand: one field of one row set by a person, over whatever an import brings."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import delete, insert, select, update

from nerava.discovery.errors import EditInvalid, UnknownRow
from nerava.discovery.model import ChargingSite, DiscoveryEdit, Place
from nerava.discovery.records import Access, Category, SiteStatus, Wheelchair
from nerava.kernel.wording import readable
from nerava.platform.db.bulk import BulkUpdate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

PLACE: Final = "place"
SITE: Final = "site"

_T: Final[Any] = DiscoveryEdit.__table__
_TABLES: Final[dict[str, Any]] = {PLACE: Place.__table__, SITE: ChargingSite.__table__}
_ORIGINAL: Final = BulkUpdate(_T, match=("thing", "source", "reference", "field"), assign=("original",))

_SHARED: Final = frozenset({"name", "opening_hours", "phone", "website"})
FIELDS: Final = {
    PLACE: _SHARED | {"category", "kind", "wheelchair", "brand"},
    SITE: _SHARED | {"operator", "network", "access", "access_text", "status", "is_free", "price_text"},
}
"""What can be edited of each; positions and references are the source's business."""

_WORDS: Final = {"category": Category, "wheelchair": Wheelchair, "access": Access, "status": SiteStatus}
_NEVER_NULL: Final = frozenset({"name", "category", "access", "status"})


def edit(
    session: Session,
    thing: str,
    source: str,
    reference: str,
    changes: Mapping[str, str | bool | None],
    *,
    reason: str,
    now: datetime,
) -> None:
    """Set fields of a row by hand, now and after every import to come. Repeats safely.

    Raises:
        UnknownRow: The source has no such row (404).
        EditInvalid: A field cannot be edited, or not to this value (422).
    """
    table = _TABLES[thing]
    mine = (table.c.source == source, table.c.reference == reference)
    row = session.execute(select(table).where(*mine)).one_or_none()
    if row is None:
        raise UnknownRow(f"{source} has no {thing} {reference!r}")
    known = of_rows(session, thing, source, [reference]).get(reference, {})
    for name, value in changes.items():
        _check(thing, table, name, value)
        if name in known:
            these = _edit_of(thing, source, reference, name)
            session.execute(update(_T).where(*these).values(value=value, reason=reason, edited_at=now))
            continue
        session.execute(
            insert(_T).values(
                thing=thing,
                source=source,
                reference=reference,
                field=name,
                value=value,
                original=getattr(row, name),
                reason=reason,
                edited_at=now,
            )
        )
    session.execute(update(table).where(*mine).values(**changes))


def take_back(session: Session, thing: str, source: str, reference: str, field: str) -> bool:
    """Let the source speak for a field again; return whether it had been edited."""
    these = _edit_of(thing, source, reference, field)
    original = session.execute(select(_T.c.original).where(*these)).one_or_none()
    if original is None:
        return False
    session.execute(delete(_T).where(*these))
    table = _TABLES[thing]
    mine = (table.c.source == source, table.c.reference == reference)
    session.execute(update(table).where(*mine).values({field: original.original}))
    return True


def of_rows(
    session: Session, thing: str, source: str, references: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Return the edits of rows by reference, then by field."""
    query = select(_T.c.reference, _T.c.field, _T.c.value).where(
        _T.c.thing == thing, _T.c.source == source, _T.c.reference.in_(list(references))
    )
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for row in session.execute(query):
        found[row.reference][row.field] = row.value
    return dict(found)


def laid_over(
    session: Session,
    thing: str,
    source: str,
    values: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return rows by reference with their edits in place of what the source says, which is noted."""
    edits = of_rows(session, thing, source, values.keys())
    originals = [
        (thing, source, reference, field, orjson.dumps(values[reference][field]).decode())
        for reference, fields in edits.items()
        for field in fields
    ]
    _ORIGINAL.run(session, originals)
    return {reference: {**row, **edits.get(reference, {})} for reference, row in values.items()}


def _edit_of(thing: str, source: str, reference: str, field: str) -> tuple[Any, ...]:
    return (_T.c.thing == thing, _T.c.source == source, _T.c.reference == reference, _T.c.field == field)


def _check(thing: str, table: Any, field: str, value: str | bool | None) -> None:  # noqa: ANN401, FBT001 - any table; the value is stored
    if field not in FIELDS[thing]:
        raise EditInvalid(f"{field} of a {thing} cannot be edited; {', '.join(sorted(FIELDS[thing]))} can")
    if value is None:
        if field in _NEVER_NULL:
            raise EditInvalid(f"{field} cannot be nothing")
        return
    if field == "name":
        try:
            readable(str(value))
        except ValueError as error:
            raise EditInvalid(f"name {error}") from None
    if field == "is_free":
        if not isinstance(value, bool):
            raise EditInvalid("is_free is true, false or nothing")
        return
    longest = table.c[field].type.length
    if not isinstance(value, str) or not 0 < len(value.strip()) <= longest or "\0" in value:
        raise EditInvalid(f"{field} is a text of 1 to {longest} characters")
    words = _WORDS.get(field)
    if words is not None and value not in set(words):
        raise EditInvalid(f"{field} is one of {', '.join(words)}")
