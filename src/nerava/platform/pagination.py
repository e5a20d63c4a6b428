"""Pages of a list: bounded, stable while rows are added, walked by opaque cursors."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Final, Generic, Protocol, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from nerava.platform.problem import InputError, InvalidInput

Item = TypeVar("Item")

PAGE_MAX: Final = 200
PAGE_DEFAULT: Final = 50
CURSOR_CHARACTERS_MAX: Final = 512
POSITION_MAX: Final = 2**63 - 1

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="How many entries at most")]
CursorText = Annotated[
    str | None,
    Query(
        max_length=CURSOR_CHARACTERS_MAX,
        pattern="^[A-Za-z0-9_-]*$",
        description="`next_cursor` of the page before; absent for the first page",
    ),
]


class Page(BaseModel, Generic[Item]):
    """A part of a list. `next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="Give it back as `cursor` for the next page")


def encode_cursor(*position: str | int) -> str:
    """Return the opaque text of a place in a list: the sort values of its last entry."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).rstrip(b"=").decode()


def decode_cursor(text: str | None, *kinds: type[str | int]) -> tuple[str | int, ...] | None:
    """Return the place a cursor names, or None when there is no cursor.

    A cursor grants nothing: it only says where to go on in a list that is scoped to its caller.

    Raises:
        InvalidInput: It is not a cursor of this list (422).
    """
    if text is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise _not_ours() from None
    if not isinstance(place, list) or len(place) != len(kinds):
        raise _not_ours()
    if not all(type(value) is kind and _sortable(value) for value, kind in zip(place, kinds, strict=True)):
        raise _not_ours()
    return tuple(place)


class _Identified(Protocol):
    id: UUID


Identified = TypeVar("Identified", bound=_Identified)


def page_by_id(items: list[Identified], limit: int) -> Page[Identified]:
    """Return a page of a list by id; a full one says how to go on."""
    return Page(items=items, next_cursor=encode_cursor(str(items[-1].id)) if len(items) == limit else None)


def _sortable(value: str | int) -> bool:
    """Whether a database can compare with it."""
    return value.isprintable() if isinstance(value, str) else 0 <= value <= POSITION_MAX


def _not_ours() -> InvalidInput:
    message = "the cursor does not come from this list"
    return InvalidInput(message, errors=[InputError(pointer="query/cursor", message=message, kind="cursor")])
