"""Where a list goes on: cursors that name an id, or an instant and an id."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from nerava.platform.pagination import decode_cursor, encode_cursor
from nerava.platform.problem import InvalidInput
from nerava.web.api.fields import possible

_NOT_OURS: Final = "the cursor does not come from this list"


def after_id(cursor: str | None) -> UUID | None:
    """Return the id that a list goes on after.

    Raises:
        InvalidInput: The cursor is not one of such a list (422).
    """
    place = decode_cursor(cursor, str)
    return None if place is None else _uuid(place[0])


def id_cursor(last: UUID) -> str:
    """Return the cursor of a page that ends with this id."""
    return encode_cursor(str(last))


def after_instant(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Return the instant and the id that a list goes on after.

    Raises:
        InvalidInput: The cursor is not one of such a list (422).
    """
    place = decode_cursor(cursor, str, str)
    if place is None:
        return None
    try:
        at = possible(datetime.fromisoformat(str(place[0])))
    except ValueError:
        raise InvalidInput(_NOT_OURS) from None
    return at, _uuid(place[1])


def instant_cursor(at: datetime, last: UUID) -> str:
    """Return the cursor of a page that ends with this instant and id."""
    return encode_cursor(at.isoformat(), str(last))


def _uuid(text: object) -> UUID:
    try:
        return UUID(str(text))
    except ValueError:
        raise InvalidInput(_NOT_OURS) from None
