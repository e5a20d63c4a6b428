"""An area of an import: the cells that take their new rows in one transaction, and what that did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, select

from nerava.discovery.cells import inside
from nerava.discovery.model import ImportStaged

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from nerava.kernel.geography import Box

KEYS_MAX: Final = 5_000

_STAGED: Final[Any] = ImportStaged.__table__


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """The cells from `first` to `last` in one import.

    Attributes:
        coverage: Where the feed is complete; None where nothing can vanish.
        absences_max: After how many imports without it a row is gone.
    """

    run_id: UUID
    source: str
    first: int
    last: int
    coverage: Box | None
    absences_max: int
    now: datetime
    counts: Counter[str] = field(default_factory=Counter)

    def absent(self, session: Session, table: Any, thing: str) -> list[Any]:  # noqa: ANN401 - a table
        """Return the rows here that the source no longer has: `id`, `absences`, `reference` and more."""
        if self.coverage is None:
            return []
        query = select(table).where(
            table.c.cell.between(self.first, self.last),
            table.c.source == self.source,
            table.c.gone_at.is_(None),
            self._covers(table),
        )
        # Looked up by key: over tables that were empty when the statement was planned, PostgreSQL
        # compares every row of one with every row of the other.
        rows = list(session.execute(query))
        here: set[str] = set()
        for at in range(0, len(rows), KEYS_MAX):
            names = [row.reference for row in rows[at : at + KEYS_MAX]]
            staged = select(_STAGED.c.reference).where(
                _STAGED.c.run_id == self.run_id, _STAGED.c.thing == thing, _STAGED.c.reference.in_(names)
            )
            here |= set(session.scalars(staged))
        return [row for row in rows if row.reference not in here]

    def _covers(self, table: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a table
        box = self.coverage
        if box is None:
            message = "an area without coverage covers nothing"
            raise AssertionError(message)
        if box.west <= -180 and box.east >= 180:  # noqa: PLR2004 - all the way round
            return and_(table.c.latitude.between(box.south, box.north))
        return inside(table.c, box)
