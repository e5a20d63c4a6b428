"""Identifiers: time-ordered ones for new things, derived ones for business facts."""

from __future__ import annotations

import hashlib
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """Return a new UUIDv7. Not secret: its first 48 bits are the wall clock in milliseconds."""
    return uuid_utils.compat.uuid7()


def fact_id(fact: str) -> UUID:
    """Return the id of a business fact: the first 16 bytes of SHA-256 over its UTF-8 text.

    One fact, one id, on every machine and at every repetition, so it can serve as the key that
    makes a posting happen once.
    """
    return UUID(bytes=hashlib.sha256(fact.encode()).digest()[:16])
