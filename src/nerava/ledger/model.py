"""The tables of the ledger. Nothing outside this package may name them, and nothing else stores money."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.sqlite import BLOB, INTEGER, TEXT

from nerava.ledger.values import AMOUNT_MAX
from nerava.platform.db import Base, UtcDateTime, UUIDType
from nerava.platform.db.types import JSONType

# STRICT tables of SQLite know INTEGER, TEXT and BLOB only.
_UUID: Final = UUIDType(strict=True)
_BIG: Final = BigInteger().with_variant(INTEGER(), "sqlite")
_SMALL: Final = Integer().with_variant(INTEGER(), "sqlite")
_FLAG: Final = Boolean().with_variant(INTEGER(), "sqlite")
_TEXT: Final = Text().with_variant(TEXT(), "sqlite")
_HASH: Final = LargeBinary(32).with_variant(BLOB(), "sqlite")
_JSON: Final = JSONType.with_variant(TEXT(), "sqlite")
_STRICT: Final[dict[str, Any]] = {"sqlite_strict": True}
_metadata: Final = Base.metadata

asset: Final = Table(
    "ledger_asset",
    _metadata,
    Column("code", _TEXT, primary_key=True),
    Column("scale", _SMALL, nullable=False),
    Column("kind", _TEXT, nullable=False),
    CheckConstraint("scale BETWEEN 0 AND 6", name="scale"),
    CheckConstraint("kind IN ('cash', 'points')", name="kind"),
    **_STRICT,
)

account: Final = Table(
    "ledger_account",
    _metadata,
    Column("id", _UUID, primary_key=True),
    Column("code", _TEXT, nullable=False, unique=True),
    Column("asset", _TEXT, ForeignKey("ledger_asset.code"), nullable=False),
    Column("kind", _TEXT, nullable=False),
    Column("owner", _TEXT),
    Column("lane", _TEXT, nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("metadata", _JSON, nullable=False, server_default=text("'{}'")),
    UniqueConstraint("id", "asset"),
    Index(None, "owner"),
    Index(None, "kind"),
    **_STRICT,
)

balance: Final = Table(
    "ledger_balance",
    _metadata,
    Column("account_id", _UUID, nullable=False),
    Column("asset", _TEXT, nullable=False),
    Column("lane", _TEXT, nullable=False),
    Column("floor", _BIG),
    Column("ceiling", _BIG),
    Column("closed", _FLAG, nullable=False),
    Column("keeps_lots", _FLAG, nullable=False),
    Column("debits_posted", _BIG, nullable=False),
    Column("credits_posted", _BIG, nullable=False),
    Column("debits_pending", _BIG, nullable=False),
    Column("credits_pending", _BIG, nullable=False),
    Column("sequence", _BIG, nullable=False),
    Column("last_posted_at", UtcDateTime()),
    PrimaryKeyConstraint("account_id", "asset"),
    ForeignKeyConstraint(["account_id", "asset"], ["ledger_account.id", "ledger_account.asset"]),
    CheckConstraint(
        "debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0",
        name="counters",
    ),
    CheckConstraint(
        "floor IS NULL OR credits_posted - debits_posted - debits_pending >= floor", name="floor"
    ),
    CheckConstraint(
        "ceiling IS NULL OR credits_posted - debits_posted + credits_pending <= ceiling", name="ceiling"
    ),
    CheckConstraint("sequence >= 0", name="sequence"),
    **_STRICT,
    postgresql_with={"fillfactor": "50"},
)

batch: Final = Table(
    "ledger_batch",
    _metadata,
    Column("id", _UUID, primary_key=True),
    Column("lane", _TEXT, nullable=False),
    Column("transfers", _BIG, nullable=False),
    Column("content_hash", _HASH, nullable=False),
    Column("posted_at", UtcDateTime(), nullable=False),
    CheckConstraint("transfers > 0", name="transfers"),
    CheckConstraint("length(content_hash) = 32", name="content_hash"),
    **_STRICT,
)

transfer: Final = Table(
    "ledger_transfer",
    _metadata,
    Column("id", _UUID, primary_key=True),
    Column("key", _UUID, nullable=False, unique=True),
    Column("fingerprint", _HASH, nullable=False),
    Column("transaction_id", _UUID, nullable=False),
    Column("position", _SMALL, nullable=False),
    Column("template", _TEXT, nullable=False),
    Column("kind", _TEXT, nullable=False),
    Column("debit", _UUID, nullable=False),
    Column("credit", _UUID, nullable=False),
    Column("asset", _TEXT, nullable=False),
    Column("amount", _BIG, nullable=False),
    Column("hold_id", _UUID),
    Column("expires_at", UtcDateTime()),
    Column("debit_sequence", _BIG, nullable=False),
    Column("credit_sequence", _BIG, nullable=False),
    Column("debit_posted", _BIG, nullable=False),
    Column("debit_available", _BIG, nullable=False),
    Column("credit_posted", _BIG, nullable=False),
    Column("credit_available", _BIG, nullable=False),
    Column("effective_at", UtcDateTime(), nullable=False),
    Column("posted_at", UtcDateTime(), nullable=False),
    Column("lane", _TEXT, nullable=False),
    Column("batch_id", _UUID, nullable=False),
    Column("actor", _TEXT, nullable=False),
    Column("metadata", _JSON, nullable=False),
    Column("digest", _HASH, nullable=False),
    *(
        # On PostgreSQL a trigger looks at all transfers of a statement at once.
        ForeignKeyConstraint([side, "asset"], ["ledger_balance.account_id", "ledger_balance.asset"]).ddl_if(
            "sqlite"
        )
        for side in ("debit", "credit")
    ),
    ForeignKeyConstraint(["hold_id"], ["ledger_transfer.id"]),
    UniqueConstraint("debit", "debit_sequence"),
    UniqueConstraint("credit", "credit_sequence"),
    CheckConstraint(f"amount BETWEEN 1 AND {AMOUNT_MAX}", name="amount"),
    CheckConstraint("debit <> credit", name="two_accounts"),
    CheckConstraint("debit_sequence > 0 AND credit_sequence > 0", name="sequences"),
    CheckConstraint("kind IN ('direct', 'hold', 'capture', 'release', 'expire')", name="kind"),
    CheckConstraint("(hold_id IS NULL) = (kind IN ('direct', 'hold'))", name="hold_id"),
    CheckConstraint("expires_at IS NULL OR kind = 'hold'", name="expires_at"),
    **_STRICT,
)
Index(
    "uq_ledger_transfer_hold_id",
    transfer.c.hold_id,
    unique=True,
    postgresql_where=transfer.c.hold_id.is_not(None),
    sqlite_where=transfer.c.hold_id.is_not(None),
)

open_hold: Final = Table(
    "ledger_open_hold",
    _metadata,
    Column("hold_id", _UUID, ForeignKey("ledger_transfer.id"), primary_key=True),
    Column("key", _UUID, nullable=False, unique=True),
    Column("debit", _UUID, nullable=False),
    Column("credit", _UUID, nullable=False),
    Column("asset", _TEXT, nullable=False),
    Column("amount", _BIG, nullable=False),
    Column("expires_at", UtcDateTime(), index=True),
    Column("lane", _TEXT, nullable=False),
    CheckConstraint("amount > 0", name="amount"),
    **_STRICT,
)

lot: Final = Table(
    "ledger_lot",
    _metadata,
    Column("id", _UUID, primary_key=True),
    Column("account_id", _UUID, ForeignKey("ledger_account.id"), nullable=False),
    Column("key", _UUID, ForeignKey("ledger_transfer.key"), nullable=False, index=True),
    Column("granted", _BIG, nullable=False),
    Column("remaining", _BIG, nullable=False),
    Column("source", _TEXT, nullable=False),
    Column("expires_at", UtcDateTime()),
    Column("restores", _UUID, index=True),
    CheckConstraint("granted > 0 AND remaining BETWEEN 0 AND granted", name="remaining"),
    **_STRICT,
)
Index(
    "ix_ledger_lot_open",
    lot.c.account_id,
    lot.c.expires_at,
    lot.c.id,
    postgresql_where=lot.c.remaining > text("0"),
    sqlite_where=lot.c.remaining > text("0"),
)

Index(
    "ix_ledger_lot_due",
    lot.c.expires_at,
    lot.c.id,
    postgresql_where=text("remaining > 0 AND expires_at IS NOT NULL"),
    sqlite_where=text("remaining > 0 AND expires_at IS NOT NULL"),
)

lot_use: Final = Table(
    "ledger_lot_use",
    _metadata,
    Column("id", _UUID, primary_key=True),
    Column("lot_id", _UUID, ForeignKey("ledger_lot.id"), nullable=False, index=True),
    Column("key", _UUID, ForeignKey("ledger_transfer.key"), nullable=False, index=True),
    Column("amount", _BIG, nullable=False),
    CheckConstraint("amount > 0", name="amount"),
    **_STRICT,
)

unsealed: Final = Table(
    "ledger_unsealed",
    _metadata,
    Column("batch_id", _UUID, ForeignKey("ledger_batch.id"), primary_key=True),
    Column("lane", _TEXT, nullable=False),
    **_STRICT,
)

block: Final = Table(
    "ledger_block",
    _metadata,
    Column("lane", _TEXT, nullable=False),
    Column("height", _BIG, nullable=False),
    Column("batch_id", _UUID, ForeignKey("ledger_batch.id"), nullable=False, unique=True),
    Column("previous_hash", _HASH, nullable=False),
    Column("hash", _HASH, nullable=False),
    PrimaryKeyConstraint("lane", "height"),
    CheckConstraint("height > 0", name="height"),
    CheckConstraint("length(hash) = 32 AND length(previous_hash) = 32", name="hash"),
    **_STRICT,
)

seal: Final = Table(
    "ledger_seal",
    _metadata,
    Column("lane", _TEXT, nullable=False),
    Column("day", _TEXT, nullable=False),
    Column("height", _BIG, nullable=False),
    Column("hash", _HASH, nullable=False),
    Column("transfers", _BIG, nullable=False),
    Column("sealed_at", UtcDateTime(), nullable=False),
    PrimaryKeyConstraint("lane", "day"),
    **_STRICT,
)

HISTORY: Final = (account, asset, batch, transfer, lot_use, block, seal)
"""Tables whose rows are never changed and never removed."""
