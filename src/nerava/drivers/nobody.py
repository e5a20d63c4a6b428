"""The driver to whom belongs what must not lead to anybody any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects import postgresql, sqlite

from nerava.drivers.model import Driver
from nerava.kernel.ids import fact_id

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

UNLINKED: Final = "unlinked"
"""Reference of nobody."""

NOBODY: Final = fact_id(f"driver:{UNLINKED}")


def let_nobody_be(session: Session, now: datetime) -> None:
    """Make sure that the driver who is nobody is there. Repeats safely; they have no account."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {"id": NOBODY, "reference": UNLINKED, "created_at": now}
    session.execute(dialect.insert(Driver).values(row).on_conflict_do_nothing())
