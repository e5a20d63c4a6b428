"""Rules that a database repeats by itself: created with the tables, as the migrations create them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import DDL, event

from nerava.platform.db.base import Base

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def attach(statements: Mapping[str, Sequence[str]]) -> None:
    """Make `Base.metadata.create_all` execute these of its dialect, in their order, once the tables exist."""
    for dialect, some in statements.items():
        for statement in some:
            ddl = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(Base.metadata, "after_create", ddl.execute_if(dialect=dialect))
