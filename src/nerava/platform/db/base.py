"""The declarative base that every table of the product hangs on."""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from nerava.platform import tracing

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Root of the mapped classes; constraint names are derived, so both databases agree on them."""

    metadata = MetaData(naming_convention=NAMING)


class LeftForLater:
    """A row of work that is done later. Who inserts it need not think of this; what works on it should.

    Attributes:
        traceparent: The span that left it, if one was recorded; `tracing.resumed` goes on from there.
    """

    traceparent: Mapped[str | None] = mapped_column(String(55), default=tracing.stored, sort_order=1_000)
