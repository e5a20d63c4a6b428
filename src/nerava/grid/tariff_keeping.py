"""Keeps tariffs, one row a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from nerava.grid.model import GridTariff
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.grid.tariffs import Tariff

_T: Final[Any] = GridTariff.__table__
_COMPARED: Final = ("utility", "name", "starts_on", "ends_on", "document")


def save_tariffs(session: Session, tariffs: Sequence[Tariff], now: datetime) -> int:
    """Keep versions in the caller's unit of work, in place of what their source said of them before.

    Returns how many are new or others. Repeats safely; what sessions were decided by stays with them.
    """
    told = {(one.source, one.reference): _values(one) for one in tariffs}
    sources = {source for source, _ in told}
    query = select(_T).where(_T.c.source.in_(sources), _T.c.reference.in_([one for _, one in told]))
    known = {(row.source, row.reference): row for row in session.execute(query)}
    changed = 0
    for key, values in sorted(told.items(), key=lambda item: item[0]):
        row = known.get(key)
        if row is None:
            stamped = {"id": new_id(), "source": key[0], "reference": key[1], "fetched_at": now}
            session.execute(insert(_T).values(**stamped, **values))
        elif any(getattr(row, name) != values[name] for name in _COMPARED):
            session.execute(update(_T).where(_T.c.id == row.id).values(**values, fetched_at=now))
        else:
            continue
        changed += 1
    return changed


def _values(one: Tariff) -> dict[str, Any]:
    return {
        "utility": one.called.utility,
        "name": one.called.name,
        "starts_on": None if one.starts_on is None else one.starts_on.isoformat(),
        "ends_on": None if one.ends_on is None else one.ends_on.isoformat(),
        "document": one.document(),
    }
