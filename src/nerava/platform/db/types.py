"""Column types that mean the same on PostgreSQL and on SQLite."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import CHAR, JSON, TEXT, DateTime, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

_CANONICAL: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def canonical_uuid(value: UUID | str) -> str:
    """Return the canonical lower-case text of an id.

    Only the hyphenated form of 36 characters is read: braces, `urn:uuid:`, bare hex and any
    other object are refused, so that one id has one spelling in every index and every log.

    Raises:
        ValueError: The text is not an id. The message shows at most 50 characters of it.
        TypeError: It is neither a `UUID` nor text.
    """
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        message = f"an id must be a UUID or its text, not {type(value).__name__}"
        raise TypeError(message)
    if _CANONICAL.fullmatch(value) is None:
        message = f"not a canonical UUID: {value[:50]!r}"
        raise ValueError(message)
    return value.lower()


class UUIDType(TypeDecorator[UUID]):
    """An id: native `uuid` on PostgreSQL, canonical lower-case text on SQLite.

    Accepts a `UUID` or its canonical text, gives back a `UUID`; anything malformed is refused
    before it reaches the database. On SQLite the column is `CHAR(36)`, and `TEXT` where the
    table is STRICT, because STRICT tables know no `CHAR`.
    """

    impl = CHAR(36)
    cache_ok = True

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__()
        self.strict = strict

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the native type of the database."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(PG_UUID(as_uuid=True))
        return dialect.type_descriptor(TEXT() if self.strict else CHAR(36))

    def process_bind_param(self, value: UUID | str | None, dialect: Dialect) -> UUID | str | None:
        """Check an id and give the driver what it wants."""
        if value is None:
            return None
        text = canonical_uuid(value)
        return UUID(text) if dialect.name == "postgresql" else text

    def process_result_value(self, value: UUID | str | None, dialect: Dialect) -> UUID | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return a `UUID`, whatever the driver gave."""
        if value is None or isinstance(value, UUID):
            return value
        return UUID(canonical_uuid(value))

    @property
    def python_type(self) -> type[UUID]:
        """What comes out of a row."""
        return UUID


def instant_text(at: datetime) -> str:
    """Return an instant as SQLite stores it: fixed width, UTC, so that text order is time order.

    Raises:
        ValueError: The instant is naive.
    """
    if at.tzinfo is None:
        message = "a naive datetime has no place in the database; use an aware one"
        raise ValueError(message)
    return _spelled(at if at.tzinfo is UTC else at.astimezone(UTC))


@lru_cache(maxsize=4_096)
def _spelled(at: datetime) -> str:
    # Only of instants in UTC: two readings of an hour that a clock shows twice are equal as keys.
    return at.isoformat(timespec="microseconds")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: `timestamptz` on PostgreSQL, fixed-width ISO 8601 text in UTC on SQLite.

    Aware instants of any zone go in, aware UTC comes out, microseconds kept. Naive ones are refused.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the native type of the database."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(TEXT())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Refuse naive instants and give the driver what it wants."""
        if value is None:
            return None
        text = instant_text(value)
        return value if dialect.name == "postgresql" else text

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return aware UTC."""
        if value is None:
            return None
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        return at.astimezone(UTC)

    @property
    def python_type(self) -> type[datetime]:
        """What comes out of a row."""
        return datetime


JSONType: Final = JSON().with_variant(JSONB(), "postgresql")
"""Structured text: `jsonb` on PostgreSQL, `JSON` (text) on SQLite."""
