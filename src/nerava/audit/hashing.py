"""What the audit chain hashes, and how: every field with its length, so that no two rows look alike."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Row

GENESIS: Final = bytes(32)
"""What the first block points back to."""

FIELDS: Final = (
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "role",
    "session_id",
    "action",
    "object_kind",
    "object_id",
    "tenant_id",
    "reason",
    "ticket",
    "request_id",
    "ip_prefix",
    "client_kind",
    "before_hash",
    "after_hash",
    "diff_ciphertext",
    "result",
)
"""The columns of an entry in the order in which they are hashed; adding one begins a new chain."""

_ABSENT: Final = b"\x00"
_PRESENT: Final = b"\x01"


def block_hash(height: int, previous: bytes, row: Row[Any]) -> bytes:
    """Return SHA-256 over the block before, the height, and the entry as it is stored."""
    content = framed([height, *(getattr(row, name) for name in FIELDS)])
    return hashlib.sha256(previous + content).digest()


def framed(values: Iterable[object]) -> bytes:
    """Return values one after the other, each with its length, an absent one told from an empty one.

    Raises:
        TypeError: A value is of a kind that has no single spelling.
    """
    return b"".join(map(_framed, values))


def _framed(value: object) -> bytes:
    if value is None:
        return _ABSENT
    content = _bytes(value)
    return _PRESENT + len(content).to_bytes(8) + content


def _bytes(value: object) -> bytes:
    match value:
        case bytes():
            return value
        case str():
            return value.encode()
        case bool():
            pass
        case int() | UUID():
            return str(value).encode()
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").encode()
    message = f"{type(value).__name__} has no single spelling"
    raise TypeError(message)
