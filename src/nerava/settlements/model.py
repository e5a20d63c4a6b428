"""Tables of settlements and invoices: amounts of periods that are over and never change. No balance."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, UtcDateTime, UUIDType
from nerava.settlements.states import (
    Cadence,
    Dunning,
    InvoiceState,
    LineKind,
    PaymentKind,
    SettlementState,
    Waits,
)

_DUE: Final = text("next_at IS NOT NULL")


def _one_of(column: str, words: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(word.value) for word in words)})"


class SettlementPlan(Base):
    """When a merchant's next period ends, and how its periods are cut.

    Attributes:
        next_on: The first local date of the period that is not over; periods follow each other.
        since_at: The instant at which it began: the end of the one before.
        next_at: When somebody looks whether it is over.
        version: Grows with every change; who was overtaken finds another one.
        nets_fees: Whether the merchant agreed that its invoices are paid out of what it is owed.
    """

    __tablename__ = "settlement_plan"
    __table_args__ = (
        CheckConstraint(_one_of("cadence", Cadence), name="cadence_known"),
        CheckConstraint("version > 0", name="version_positive"),
        Index("ix_settlement_plan_next_at", "next_at", "merchant_id"),
    )

    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"), primary_key=True)
    cadence: Mapped[str] = mapped_column(String(5))
    nets_fees: Mapped[bool] = mapped_column(Boolean())
    next_on: Mapped[str] = mapped_column(String(10))
    since_at: Mapped[datetime] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    version: Mapped[int] = mapped_column(Integer())


class Settlement(Base):
    """One period of a merchant, closed once; every amount is frozen in the transaction that posted it.

    `carried_in + redeemed - refunded = points + carried_out`. Carried is what the merchant's points
    did not cover when the period was closed, because they had been given back since; the next
    period takes it over.

    Attributes:
        period: Its name in the merchant's calendar: `2026-03`, or `2026-W10`.
        timezone, zone_edition: In which zone and by which edition of the zone data it was cut.
        claim_fees_minor: What the claims of the period cost; on the invoice of this settlement.
        netted_minor: What of the net went to invoices at once.
        payout_id, payout_minor: The payout that took everything that was owed, if there is one.
    """

    __tablename__ = "settlement"
    __table_args__ = (
        CheckConstraint(_one_of("state", SettlementState), name="state_known"),
        CheckConstraint(f"waits_for IS NULL OR {_one_of('waits_for', Waits)}", name="waits_known"),
        CheckConstraint("until_at > since_at", name="until_after_since"),
        CheckConstraint("points >= 0 AND net_minor + fee_minor = points", name="amounts_add_up"),
        CheckConstraint(
            "carried_in + redeemed - refunded = points + carried_out", name="nothing_lost_in_between"
        ),
        CheckConstraint("redeemed >= 0 AND refunded >= 0 AND claim_fees_minor >= 0", name="sums_whole"),
        CheckConstraint("netted_minor >= 0", name="netted_not_negative"),
        CheckConstraint("(points > 0) = (transaction_key IS NOT NULL)", name="points_have_transaction"),
        CheckConstraint("(state = 'requested') = (payout_id IS NOT NULL)", name="request_has_payout"),
        CheckConstraint("(payout_id IS NULL) = (payout_minor IS NULL)", name="payout_whole"),
        UniqueConstraint("merchant_id", "period"),
        UniqueConstraint("merchant_id", "since_at"),
        UniqueConstraint("transaction_key"),
        UniqueConstraint("payout_id"),
        Index("ix_settlement_due", "next_at", "id", sqlite_where=_DUE, postgresql_where=_DUE),
        Index("ix_settlement_merchant_id_until_at", "merchant_id", "until_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    period: Mapped[str] = mapped_column(String(10))
    timezone: Mapped[str] = mapped_column(String(64))
    zone_edition: Mapped[str] = mapped_column(String(16))
    since_at: Mapped[datetime] = mapped_column(UtcDateTime())
    until_at: Mapped[datetime] = mapped_column(UtcDateTime())
    currency: Mapped[str] = mapped_column(String(3))
    carried_in: Mapped[int] = mapped_column(BigInteger())
    redeemed: Mapped[int] = mapped_column(BigInteger())
    refunded: Mapped[int] = mapped_column(BigInteger())
    carried_out: Mapped[int] = mapped_column(BigInteger())
    points: Mapped[int] = mapped_column(BigInteger())
    fee_bps: Mapped[int] = mapped_column(Integer())
    net_minor: Mapped[int] = mapped_column(BigInteger())
    fee_minor: Mapped[int] = mapped_column(BigInteger())
    claim_fees_minor: Mapped[int] = mapped_column(BigInteger())
    netted_minor: Mapped[int] = mapped_column(BigInteger())
    transaction_key: Mapped[UUID | None] = mapped_column(UUIDType())
    closed_at: Mapped[datetime] = mapped_column(UtcDateTime())
    state: Mapped[str] = mapped_column(String(11))
    waits_for: Mapped[str | None] = mapped_column(String(7))
    payout_id: Mapped[UUID | None] = mapped_column(UUIDType())
    payout_minor: Mapped[int | None] = mapped_column(BigInteger())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    version: Mapped[int] = mapped_column(Integer())


class SettlementLine(Base):
    """One redemption, refund or claim of a settlement, as it was; a thing is settled once.

    Attributes:
        source_id: The redemption, the refund, or the claim.
        amount: Points, those given back below 0; of a claim its fee in minor units.
        title: What the offer was called.
    """

    __tablename__ = "settlement_line"
    __table_args__ = (
        CheckConstraint(_one_of("kind", LineKind), name="kind_known"),
        CheckConstraint(
            "(kind = 'refund' AND amount < 0) OR (kind <> 'refund' AND amount >= 0)", name="sign"
        ),
        UniqueConstraint("kind", "source_id"),
    )

    settlement_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("settlement.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    source_id: Mapped[UUID] = mapped_column(UUIDType())
    amount: Mapped[int] = mapped_column(BigInteger())
    title: Mapped[str] = mapped_column(String(120))
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime())


class InvoiceSeries(Base):
    """The last number of a year's invoices; raised in the transaction of the invoice, so none is missing."""

    __tablename__ = "invoice_series"
    __table_args__ = (CheckConstraint("issued > 0", name="issued_positive"),)

    year: Mapped[int] = mapped_column(SmallInteger(), primary_key=True, autoincrement=False)
    issued: Mapped[int] = mapped_column(Integer())


class Invoice(Base):
    """What a merchant owes for the claims of one period; its lines are those of the settlement.

    Attributes:
        year, number: Dense from 1 in each year (UTC) of the operator.
        due_on: The last local date, in `timezone`, on which it is in time.
        next_at: When the next reminder is due; None when nothing is open.
    """

    __tablename__ = "invoice"
    __table_args__ = (
        CheckConstraint(_one_of("state", InvoiceState), name="state_known"),
        CheckConstraint(_one_of("dunning", Dunning), name="dunning_known"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("number > 0", name="number_positive"),
        CheckConstraint(
            "(state IN ('paid', 'written_off')) = (ended_at IS NOT NULL)", name="end_has_instant"
        ),
        UniqueConstraint("year", "number"),
        UniqueConstraint("settlement_id"),
        Index("ix_invoice_due", "next_at", "id", sqlite_where=_DUE, postgresql_where=_DUE),
        Index("ix_invoice_merchant_id", "merchant_id", "id"),
        Index("ix_invoice_state", "state", "id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    settlement_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("settlement.id"))
    year: Mapped[int] = mapped_column(SmallInteger())
    number: Mapped[int] = mapped_column(Integer())
    amount_minor: Mapped[int] = mapped_column(BigInteger())
    currency: Mapped[str] = mapped_column(String(3))
    timezone: Mapped[str] = mapped_column(String(64))
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime())
    due_on: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(11))
    dunning: Mapped[str] = mapped_column(String(9))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class InvoicePayment(Base):
    """A part of an invoice that is paid, or given up; never changed."""

    __tablename__ = "invoice_payment"
    __table_args__ = (
        CheckConstraint(_one_of("kind", PaymentKind), name="kind_known"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("(kind = 'bank') = (reference IS NOT NULL)", name="bank_has_reference"),
        UniqueConstraint("transaction_key"),
        UniqueConstraint("reference"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    invoice_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("invoice.id"), index=True)
    kind: Mapped[str] = mapped_column(String(9))
    amount_minor: Mapped[int] = mapped_column(BigInteger())
    reference: Mapped[str | None] = mapped_column(String(80))
    transaction_key: Mapped[UUID] = mapped_column(UUIDType())
    paid_at: Mapped[datetime] = mapped_column(UtcDateTime())


class MerchantNotice(Base):
    """Something that a merchant was told, in its list of news; the same about one object once.

    Attributes:
        subject_id: The settlement or the invoice.
    """

    __tablename__ = "merchant_notice"
    __table_args__ = (
        UniqueConstraint("subject_id", "kind"),
        Index("ix_merchant_notice_merchant_id", "merchant_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    kind: Mapped[str] = mapped_column(String(30))
    subject_id: Mapped[UUID] = mapped_column(UUIDType())
    told_at: Mapped[datetime] = mapped_column(UtcDateTime())
