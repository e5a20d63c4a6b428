"""The tables of the ledger. Nothing outside this package may name them, and nothing else stores money."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from nerava.ledger.values import AMOUNT_MAX
from nerava.platform.db import Base, UtcDateTime
from nerava.platform.db.strict import BIG, FLAG, HASH, ID, JSON, SMALL, STRICT, TEXT

_metadata: Final = Base.metadata

asset: Final = Table(
    "ledger_asset",
    _metadata,
    Column("code", TEXT, primary_key=True),
    Column("scale", SMALL, nullable=False),
    Column("kind", TEXT, nullable=False),
    CheckConstraint("scale BETWEEN 0 AND 6", name="scale"),
    CheckConstraint("kind IN ('cash', 'points')", name="kind"),
    **STRICT,
)

account: Final = Table(
    "ledger_account",
    _metadata,
    Column("id", ID, primary_key=True),
    Column("code", TEXT, nullable=False, unique=True),
    Column("asset", TEXT, ForeignKey("ledger_asset.code"), nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("owner", TEXT),
    Column("lane", TEXT, nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("metadata", JSON, nullable=False, server_default=text("'{}'")),
    UniqueConstraint("id", "asset"),
    Index(None, "owner"),
    Index(None, "kind"),
    **STRICT,
)

balance: Final = Table(
    "ledger_balance",
    _metadata,
    Column("account_id", ID, nullable=False),
    Column("asset", TEXT, nullable=False),
    Column("lane", TEXT, nullable=False),
    Column("floor", BIG),
    Column("ceiling", BIG),
    Column("closed", FLAG, nullable=False),
    Column("keeps_lots", FLAG, nullable=False),
    Column("debits_posted", BIG, nullable=False),
    Column("credits_posted", BIG, nullable=False),
    Column("debits_pending", BIG, nullable=False),
    Column("credits_pending", BIG, nullable=False),
    Column("sequence", BIG, nullable=False),
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
    **STRICT,
    postgresql_with={"fillfactor": "50"},
)

batch: Final = Table(
    "ledger_batch",
    _metadata,
    Column("id", ID, primary_key=True),
    Column("lane", TEXT, nullable=False),
    Column("transfers", BIG, nullable=False),
    Column("content_hash", HASH, nullable=False),
    Column("posted_at", UtcDateTime(), nullable=False),
    CheckConstraint("transfers > 0", name="transfers"),
    CheckConstraint("length(content_hash) = 32", name="content_hash"),
    **STRICT,
)

transfer: Final = Table(
    "ledger_transfer",
    _metadata,
    Column("id", ID, primary_key=True),
    Column("key", ID, nullable=False, unique=True),
    Column("fingerprint", HASH, nullable=False),
    Column("transaction_id", ID, nullable=False),
    Column("position", SMALL, nullable=False),
    Column("template", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("debit", ID, nullable=False),
    Column("credit", ID, nullable=False),
    Column("asset", TEXT, nullable=False),
    Column("amount", BIG, nullable=False),
    Column("hold_id", ID),
    Column("expires_at", UtcDateTime()),
    Column("debit_sequence", BIG, nullable=False),
    Column("credit_sequence", BIG, nullable=False),
    Column("debit_posted", BIG, nullable=False),
    Column("debit_available", BIG, nullable=False),
    Column("credit_posted", BIG, nullable=False),
    Column("credit_available", BIG, nullable=False),
    Column("effective_at", UtcDateTime(), nullable=False),
    Column("posted_at", UtcDateTime(), nullable=False),
    Column("lane", TEXT, nullable=False),
    Column("batch_id", ID, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("digest", HASH, nullable=False),
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
    **STRICT,
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
    Column("hold_id", ID, ForeignKey("ledger_transfer.id"), primary_key=True),
    Column("key", ID, nullable=False, unique=True),
    Column("debit", ID, nullable=False),
    Column("credit", ID, nullable=False),
    Column("asset", TEXT, nullable=False),
    Column("amount", BIG, nullable=False),
    Column("expires_at", UtcDateTime(), index=True),
    Column("lane", TEXT, nullable=False),
    CheckConstraint("amount > 0", name="amount"),
    **STRICT,
)

lot: Final = Table(
    "ledger_lot",
    _metadata,
    Column("id", ID, primary_key=True),
    Column("account_id", ID, ForeignKey("ledger_account.id"), nullable=False),
    Column("key", ID, ForeignKey("ledger_transfer.key"), nullable=False, index=True),
    Column("granted", BIG, nullable=False),
    Column("remaining", BIG, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("expires_at", UtcDateTime()),
    Column("restores", ID, index=True),
    CheckConstraint("granted > 0 AND remaining BETWEEN 0 AND granted", name="remaining"),
    **STRICT,
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
    Column("id", ID, primary_key=True),
    Column("lot_id", ID, ForeignKey("ledger_lot.id"), nullable=False, index=True),
    Column("key", ID, ForeignKey("ledger_transfer.key"), nullable=False, index=True),
    Column("amount", BIG, nullable=False),
    CheckConstraint("amount > 0", name="amount"),
    **STRICT,
)

unsealed: Final = Table(
    "ledger_unsealed",
    _metadata,
    Column("batch_id", ID, ForeignKey("ledger_batch.id"), primary_key=True),
    Column("lane", TEXT, nullable=False),
    **STRICT,
)

block: Final = Table(
    "ledger_block",
    _metadata,
    Column("lane", TEXT, nullable=False),
    Column("height", BIG, nullable=False),
    Column("batch_id", ID, ForeignKey("ledger_batch.id"), nullable=False, unique=True),
    Column("previous_hash", HASH, nullable=False),
    Column("hash", HASH, nullable=False),
    PrimaryKeyConstraint("lane", "height"),
    CheckConstraint("height > 0", name="height"),
    CheckConstraint("length(hash) = 32 AND length(previous_hash) = 32", name="hash"),
    **STRICT,
)

seal: Final = Table(
    "ledger_seal",
    _metadata,
    Column("lane", TEXT, nullable=False),
    Column("day", TEXT, nullable=False),
    Column("height", BIG, nullable=False),
    Column("hash", HASH, nullable=False),
    Column("transfers", BIG, nullable=False),
    Column("sealed_at", UtcDateTime(), nullable=False),
    PrimaryKeyConstraint("lane", "day"),
    **STRICT,
)

HISTORY: Final = (account, asset, batch, transfer, lot_use, block, seal)
"""Tables whose rows are never changed and never removed."""
