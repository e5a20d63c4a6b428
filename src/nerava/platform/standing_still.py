"""Work that waits in a table: how much, how late the oldest of it is, and what was given up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, select

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute, Session


@dataclass(frozen=True, slots=True)
class Queue:
    """One kind of work.

    Attributes:
        waiting: How much is not done, due or not.
        late: How much of it is due.
        oldest_due_at: Since when the longest due waits; None when nothing is late.
        given_up: How much a person must look at.
    """

    name: str
    waiting: int
    late: int
    oldest_due_at: datetime | None
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """Where one kind of work waits.

    Attributes:
        due: The column that says when a row is looked at next.
        waits: Which rows wait.
        given_up: Which rows nothing will happen to any more without a person.
    """

    name: str
    due: InstrumentedAttribute[Any]
    waits: ColumnElement[bool]
    given_up: ColumnElement[bool] | None = None

    def read(self, session: Session, now: datetime) -> Queue:
        """Return how long this queue is; at most two statements, both by index."""
        late = self.due <= now
        row = session.execute(
            select(
                func.count(), func.coalesce(func.sum(case((late, 1), else_=0)), 0), func.min(self.due)
            ).where(self.waits)
        ).one()
        oldest = row[2] if row[2] is not None and row[2] <= now else None
        given_up = 0
        if self.given_up is not None:
            given_up = session.scalar(select(func.count()).where(self.given_up)) or 0
        return Queue(self.name, int(row[0]), int(row[1]), oldest, given_up)
