"""The tables of the audit log: entries, the work list of the sealer, the chain, the signed anchors."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy.dialects.sqlite import BLOB, INTEGER, TEXT

from nerava.audit.entries import ActorKind, Result
from nerava.platform.db import Base, UtcDateTime, UUIDType

# STRICT tables of SQLite know INTEGER, TEXT and BLOB only.
_UUID: Final = UUIDType(strict=True)
_BIG: Final = BigInteger().with_variant(INTEGER(), "sqlite")
_TEXT: Final = Text().with_variant(TEXT(), "sqlite")
_HASH: Final = LargeBinary(32).with_variant(BLOB(), "sqlite")
_BYTES: Final = LargeBinary().with_variant(BLOB(), "sqlite")
_STRICT: Final[dict[str, Any]] = {"sqlite_strict": True}
_metadata: Final = Base.metadata


def _words(kind: type[ActorKind | Result]) -> str:
    return ", ".join(f"'{one.value}'" for one in kind)


entry: Final = Table(
    "audit_entry",
    _metadata,
    Column("id", _UUID, primary_key=True),
    Column("at", UtcDateTime(), nullable=False, index=True),
    Column("actor_kind", _TEXT, nullable=False),
    Column("actor_id", _TEXT, nullable=False),
    Column("role", _TEXT),
    Column("session_id", _TEXT),
    Column("action", _TEXT, nullable=False),
    Column("object_kind", _TEXT, nullable=False),
    Column("object_id", _TEXT, nullable=False),
    Column("tenant_id", _TEXT),
    Column("reason", _TEXT),
    Column("ticket", _TEXT),
    Column("request_id", _TEXT),
    Column("ip_prefix", _TEXT),
    Column("client_kind", _TEXT),
    Column("before_hash", _HASH),
    Column("after_hash", _HASH),
    Column("diff_ciphertext", _BYTES),
    Column("result", _TEXT, nullable=False),
    CheckConstraint(f"actor_kind IN ({_words(ActorKind)})", name="actor_kind"),
    CheckConstraint(f"result IN ({_words(Result)})", name="result"),
    CheckConstraint("length(reason) <= 500", name="reason"),
    CheckConstraint("length(before_hash) = 32 AND length(after_hash) = 32", name="hashes"),
    Index(None, "actor_id", "id"),
    Index(None, "object_kind", "object_id", "id"),
    **_STRICT,
)

unsealed: Final = Table(
    "audit_unsealed",
    _metadata,
    Column("entry_id", _UUID, ForeignKey("audit_entry.id"), primary_key=True),
    **_STRICT,
)

block: Final = Table(
    "audit_block",
    _metadata,
    Column("height", _BIG, primary_key=True, autoincrement=False),
    Column("entry_id", _UUID, ForeignKey("audit_entry.id"), nullable=False, unique=True),
    Column("previous_hash", _HASH, nullable=False),
    Column("hash", _HASH, nullable=False),
    CheckConstraint("height > 0", name="height"),
    CheckConstraint("length(hash) = 32 AND length(previous_hash) = 32", name="hash"),
    **_STRICT,
)

anchor: Final = Table(
    "audit_anchor",
    _metadata,
    Column("hour", _TEXT, primary_key=True),
    Column("height", _BIG, nullable=False),
    Column("hash", _HASH, nullable=False),
    Column("key_id", _TEXT, nullable=False),
    Column("signature", _BYTES, nullable=False),
    Column("signed_at", UtcDateTime(), nullable=False),
    CheckConstraint("height > 0", name="height"),
    CheckConstraint("length(hash) = 32", name="hash"),
    CheckConstraint("length(signature) = 64", name="signature"),
    **_STRICT,
)

HISTORY: Final = (entry, block, anchor)
"""Tables whose rows are never changed and never removed."""
