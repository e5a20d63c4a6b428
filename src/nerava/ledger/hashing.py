"""What is hashed, and how: the digest of a row, of a batch, and of a block of the chain."""

from __future__ import annotations

import hashlib
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

GENESIS: Final = bytes(32)
"""What the first block of every lane points back to."""


def canonical_json(value: Mapping[str, object]) -> str:
    """Return metadata as text with one spelling: sorted keys, no blanks, UTF-8.

    Raises:
        TypeError: A value is not a string, whole number, boolean, None, list or object. Floats
            are refused, because databases do not keep their spelling.
    """
    if not value:
        return "{}"
    _refuse_floats(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        message = "ledger metadata holds no floats; write amounts as whole minor units"
        raise TypeError(message)
    if isinstance(value, dict):
        for inner in value.values():
            _refuse_floats(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_floats(inner)


def metadata_of(stored: str | dict[str, Any]) -> dict[str, Any]:
    """Return metadata as it was said; SQLite gives its text, PostgreSQL what it holds."""
    return orjson.loads(stored) if isinstance(stored, str) else stored


def row_digest(fields: list[object]) -> bytes:
    """Return SHA-256 over a row written as a JSON array, in which no two rows look alike."""
    return hashlib.sha256(orjson.dumps(fields)).digest()


def instant(at: datetime | None) -> str | None:
    """Return an instant the way it enters a digest, whatever its zone: ISO 8601 in UTC with microseconds.

    Raises:
        ValueError: The instant is naive.
    """
    if at is None:
        return None
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            message = "the ledger knows no naive instants; say which zone"
            raise ValueError(message)
        at = at.astimezone(UTC)
    return _spelled(at)


@lru_cache(maxsize=4_096)
def _spelled(at: datetime) -> str:
    # Only of instants in UTC: two readings of an hour that a clock shows twice are equal as keys.
    return at.isoformat(timespec="microseconds")


def batch_hash(lane: str, posted_at: datetime, digests: Iterable[bytes]) -> bytes:
    """Return the hash of a batch: its lane, its instant, and its digests in the order of their ids."""
    return row_digest(
        [lane, instant(posted_at.astimezone(UTC)), hashlib.sha256(b"".join(digests)).hexdigest()]
    )


def block_hash(lane: str, height: int, previous: bytes, batch_id: str, content: bytes) -> bytes:
    """Return the hash of a block: everything before it, and the batch it adds."""
    return row_digest([lane, height, previous.hex(), batch_id, content.hex()])
