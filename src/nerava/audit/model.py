"""The tables of the audit log: entries, the work list of the sealer, the chain, the signed anchors."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
)

from nerava.audit.entries import ActorKind, Result
from nerava.platform.db import Base, UtcDateTime
from nerava.platform.db.strict import BIG, BYTES, HASH, ID, STRICT, TEXT

_metadata: Final = Base.metadata


def _words(kind: type[ActorKind | Result]) -> str:
    return ", ".join(f"'{one.value}'" for one in kind)


entry: Final = Table(
    "audit_entry",
    _metadata,
    Column("id", ID, primary_key=True),
    Column("at", UtcDateTime(), nullable=False, index=True),
    Column("actor_kind", TEXT, nullable=False),
    Column("actor_id", TEXT, nullable=False),
    Column("role", TEXT),
    Column("session_id", TEXT),
    Column("action", TEXT, nullable=False),
    Column("object_kind", TEXT, nullable=False),
    Column("object_id", TEXT, nullable=False),
    Column("tenant_id", TEXT),
    Column("reason", TEXT),
    Column("ticket", TEXT),
    Column("request_id", TEXT),
    Column("ip_prefix", TEXT),
    Column("client_kind", TEXT),
    Column("before_hash", HASH),
    Column("after_hash", HASH),
    Column("diff_ciphertext", BYTES),
    Column("result", TEXT, nullable=False),
    CheckConstraint(f"actor_kind IN ({_words(ActorKind)})", name="actor_kind"),
    CheckConstraint(f"result IN ({_words(Result)})", name="result"),
    CheckConstraint("length(reason) <= 500", name="reason"),
    CheckConstraint("length(before_hash) = 32 AND length(after_hash) = 32", name="hashes"),
    Index(None, "actor_id", "id"),
    Index(None, "object_kind", "object_id", "id"),
    **STRICT,
)

unsealed: Final = Table(
    "audit_unsealed",
    _metadata,
    Column("entry_id", ID, ForeignKey("audit_entry.id"), primary_key=True),
    **STRICT,
)

block: Final = Table(
    "audit_block",
    _metadata,
    Column("height", BIG, primary_key=True, autoincrement=False),
    Column("entry_id", ID, ForeignKey("audit_entry.id"), nullable=False, unique=True),
    Column("previous_hash", HASH, nullable=False),
    Column("hash", HASH, nullable=False),
    CheckConstraint("height > 0", name="height"),
    CheckConstraint("length(hash) = 32 AND length(previous_hash) = 32", name="hash"),
    **STRICT,
)

anchor: Final = Table(
    "audit_anchor",
    _metadata,
    Column("hour", TEXT, primary_key=True),
    Column("height", BIG, nullable=False),
    Column("hash", HASH, nullable=False),
    Column("key_id", TEXT, nullable=False),
    Column("signature", BYTES, nullable=False),
    Column("signed_at", UtcDateTime(), nullable=False),
    CheckConstraint("height > 0", name="height"),
    CheckConstraint("length(hash) = 32", name="hash"),
    CheckConstraint("length(signature) = 64", name="signature"),
    **STRICT,
)

HISTORY: Final = (entry, block, anchor)
"""Tables whose rows are never changed and never removed."""
