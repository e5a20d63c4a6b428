"""Tables of payouts: who is paid how, what was asked for, what the provider told. No balance rests here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.payouts.states import CaseKind, EvidenceSource, Kind, MethodState, OwnerKind, PayoutState, Step
from nerava.platform.db import Base, JSONType, LeftForLater, UtcDateTime, UUIDType


def _one_of(column: str, words: type[PayoutState | MethodState | Kind | OwnerKind | Step | CaseKind]) -> str:
    return f"{column} IN ({', '.join(repr(word.value) for word in words)})"


_ONBOARDING: Final = text("state = 'onboarding'")
_DUE: Final = text("next_at IS NOT NULL")
_SOURCES: Final = ", ".join(repr(one.value) for one in EvidenceSource)


class PayoutMethod(Base):
    """Where a driver or a merchant is paid: an account at the provider, which knows their bank; we do not.

    Attributes:
        links: How many links to the provider's page were given out; each has a key of its own.
        ready_at: When it could first be used, and `changed_at` when the bank behind it changed since.
        looks: How often it was read since the last link.
    """

    __tablename__ = "payout_method"
    __table_args__ = (
        CheckConstraint(_one_of("owner_kind", OwnerKind), name="owner_kind_known"),
        CheckConstraint(_one_of("state", MethodState), name="state_known"),
        CheckConstraint(
            "state <> 'ready' OR (account IS NOT NULL AND ready_at IS NOT NULL)", name="ready_whole"
        ),
        CheckConstraint("(state = 'removed') = (removed_at IS NOT NULL)", name="removed_has_instant"),
        CheckConstraint("last4 IS NULL OR length(last4) = 4", name="last4_whole"),
        UniqueConstraint("provider", "account"),
        Index(
            "uq_payout_method_onboarding",
            "owner_kind",
            "owner_id",
            unique=True,
            sqlite_where=_ONBOARDING,
            postgresql_where=_ONBOARDING,
        ),
        Index("ix_payout_method_owner", "owner_kind", "owner_id"),
        Index("ix_payout_method_due", "next_at", sqlite_where=_DUE, postgresql_where=_DUE),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    owner_kind: Mapped[str] = mapped_column(String(8))
    owner_id: Mapped[UUID] = mapped_column(UUIDType())
    provider: Mapped[str] = mapped_column(String(20))
    account: Mapped[str | None] = mapped_column(String(80))
    last4: Mapped[str | None] = mapped_column(String(4))
    state: Mapped[str] = mapped_column(String(12))
    links: Mapped[int] = mapped_column(Integer())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ready_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    looks: Mapped[int] = mapped_column(Integer())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class PayoutBatch(Base):
    """Payouts that one person proposes to pay and a second one lets go."""

    __tablename__ = "payout_batch"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'approved', 'refused')", name="state_known"),
        CheckConstraint("checker IS NULL OR checker <> maker", name="four_eyes"),
        CheckConstraint("(state = 'waiting') = (checker IS NULL)", name="decided_by_somebody"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided_has_instant"),
        CheckConstraint("payouts > 0 AND total_minor > 0", name="holds_something"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    state: Mapped[str] = mapped_column(String(8))
    payouts: Mapped[int] = mapped_column(Integer())
    total_minor: Mapped[int] = mapped_column(BigInteger())
    maker: Mapped[UUID] = mapped_column(UUIDType())
    checker: Mapped[UUID | None] = mapped_column(UUIDType())
    made_at: Mapped[datetime] = mapped_column(UtcDateTime())
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class Payout(LeftForLater, Base):
    """Money for somebody's bank: what was asked, how far it is, and what was last said to the provider.

    The amounts never change. Where the money is, the ledger says under keys derived from the id.

    Attributes:
        step: What is to be done or found out next, while the payout is under way.
        version: Grows with every change; a worker that was overtaken finds another one.
        try_number: Part of the key at the provider; grows only after a definite failure was read.
        sends: How often the call of this try was begun; 0 means never.
        request_key, outcome_key, return_key: Of its chains in the ledger.
        provider_key, body_hash, first_sent_at, last_sent_at: Of this step and try, stored before the
            first byte left.
        none_since: When a complete listing first showed nothing, at least 25 h after the last send.
        next_at: When a worker looks at it again; None when nothing is to be done.
    """

    __tablename__ = "payout"
    __table_args__ = (
        CheckConstraint(_one_of("kind", Kind), name="kind_known"),
        CheckConstraint(_one_of("state", PayoutState), name="state_known"),
        CheckConstraint(_one_of("step", Step), name="step_known"),
        CheckConstraint("amount_minor > 0 AND fee_minor >= 0", name="amounts_positive"),
        CheckConstraint("kind = 'driver_cashout' OR fee_minor = 0", name="fee_of_drivers"),
        CheckConstraint("try_number > 0 AND sends >= 0 AND version > 0", name="counters_whole"),
        CheckConstraint("(sends = 0) = (first_sent_at IS NULL)", name="sent_has_instant"),
        CheckConstraint(
            "sends = 0 OR (provider_key IS NOT NULL AND body_hash IS NOT NULL)", name="sent_has_key"
        ),
        CheckConstraint(
            "(state IN ('requested', 'approved', 'canceled')) = (submitted_at IS NULL)",
            name="submitted_has_instant",
        ),
        CheckConstraint("(state IN ('paid', 'returned')) = (paid_at IS NOT NULL)", name="paid_has_instant"),
        CheckConstraint(
            "(state IN ('failed', 'returned', 'canceled')) = (ended_at IS NOT NULL)", name="ended_has_instant"
        ),
        CheckConstraint("state <> 'requested' OR next_at IS NULL", name="waits_for_people"),
        UniqueConstraint("provider", "transfer_id"),
        UniqueConstraint("provider", "account", "bank_payout_id"),
        Index("ix_payout_due", "next_at", "id", sqlite_where=_DUE, postgresql_where=_DUE),
        Index("ix_payout_owner", "owner_kind", "owner_id", "requested_at"),
        Index("ix_payout_state", "state", "id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    owner_kind: Mapped[str] = mapped_column(String(8))
    owner_id: Mapped[UUID] = mapped_column(UUIDType())
    method_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("payout_method.id"), index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger())
    fee_minor: Mapped[int] = mapped_column(BigInteger())
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(String(12))
    step: Mapped[str] = mapped_column(String(12))
    version: Mapped[int] = mapped_column(Integer())
    is_flagged: Mapped[bool] = mapped_column(Boolean())
    flags: Mapped[list[Any]] = mapped_column(JSONType)
    reason: Mapped[str | None] = mapped_column(String(60))
    hold_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    batch_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("payout_batch.id"), index=True)
    request_key: Mapped[UUID] = mapped_column(UUIDType(), unique=True)
    outcome_key: Mapped[UUID] = mapped_column(UUIDType(), unique=True)
    return_key: Mapped[UUID] = mapped_column(UUIDType(), unique=True)
    requested_by: Mapped[str] = mapped_column(String(80))
    reviewed_by: Mapped[UUID | None] = mapped_column(UUIDType())
    approved_by: Mapped[UUID | None] = mapped_column(UUIDType())
    provider: Mapped[str] = mapped_column(String(20))
    account: Mapped[str] = mapped_column(String(80))
    try_number: Mapped[int] = mapped_column(SmallInteger())
    sends: Mapped[int] = mapped_column(Integer())
    provider_key: Mapped[str | None] = mapped_column(String(120))
    body_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    first_sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_answer: Mapped[str | None] = mapped_column(String(80))
    same_answers: Mapped[int] = mapped_column(SmallInteger())
    none_since: Mapped[datetime | None] = mapped_column(UtcDateTime())
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    transfer_id: Mapped[str | None] = mapped_column(String(80))
    bank_payout_id: Mapped[str | None] = mapped_column(String(80))
    bank_rank: Mapped[int] = mapped_column(SmallInteger())
    stalled_because: Mapped[str | None] = mapped_column(String(40))
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    overdue_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime())
    reviewed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    submitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    paid_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    __mapper_args__: ClassVar[dict[str, Any]] = {"version_id_col": version}  # type: ignore[misc]


class PayoutEvidence(Base):
    """What somebody told about a payout and when; only ever added to. The same twice is one row."""

    __tablename__ = "payout_evidence"
    __table_args__ = (
        CheckConstraint(f"source IN ({_SOURCES})", name="source_known"),
        UniqueConstraint("payout_id", "digest"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    payout_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("payout.id"))
    source: Mapped[str] = mapped_column(String(10))
    fact: Mapped[str] = mapped_column(String(20))
    rank: Mapped[int] = mapped_column(SmallInteger())
    told: Mapped[dict[str, Any]] = mapped_column(JSONType)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    read_at: Mapped[datetime] = mapped_column(UtcDateTime())


class ReconciliationRun(Base):
    """One comparison of the provider's book with ours; each period is compared once."""

    __tablename__ = "reconciliation_run"
    __table_args__ = (
        UniqueConstraint("provider", "period"),
        CheckConstraint("until_at > since_at", name="until_after_since"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    provider: Mapped[str] = mapped_column(String(20))
    period: Mapped[str] = mapped_column(String(40))
    since_at: Mapped[datetime] = mapped_column(UtcDateTime())
    until_at: Mapped[datetime] = mapped_column(UtcDateTime())
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime())
    counts: Mapped[dict[str, Any]] = mapped_column(JSONType)
    lines: Mapped[list[Any]] = mapped_column(JSONType)


class PayoutCase(Base):
    """Something about payouts that a person must look into; nothing corrects itself."""

    __tablename__ = "payout_case"
    __table_args__ = (
        CheckConstraint(_one_of("kind", CaseKind), name="kind_known"),
        UniqueConstraint("kind", "subject"),
        CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed_by_somebody"),
        CheckConstraint("(closed_at IS NULL) = (closing_reason IS NULL)", name="closed_for_a_reason"),
        Index("ix_payout_case_closed_at", "closed_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(160))
    payout_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("payout.id"), index=True)
    told: Mapped[dict[str, Any]] = mapped_column(JSONType)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime())
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    closed_by: Mapped[UUID | None] = mapped_column(UUIDType())
    closing_reason: Mapped[str | None] = mapped_column(String(120))
