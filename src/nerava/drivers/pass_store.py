"""The tables of passes in people's phones: which there are, where they are, and a number that only grows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime, UUIDType

_ACTIVE: Final = text("state = 'active'")


class PassKind(StrEnum):
    """Whose phones a pass is for."""

    APPLE = "apple"
    GOOGLE = "google"


class PassState(StrEnum):
    """Whether a pass is good."""

    ACTIVE = "active"
    VOIDED = "voided"
    """It shows nothing any more; when phones were told of it and a while has passed, the row goes."""


def _one_of(column: str, words: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(one.value) for one in words)})"


class WalletPass(Base):
    """A pass of a driver. What it shows is a copy of what the ledger says, and stands nowhere here.

    Attributes:
        serial: Random; names the pass towards phones and opens nothing.
        token_hash: SHA-256 of what an Apple phone proves itself with; `sealed` is the same for making
            the pass again, and goes when the pass is voided.
        shown: Hash of what phones were last to show; what is as it was is not told again.
        tag: Of the change that `shown` came with, from `WalletPassTag`; `told_tag` is the last one
            that phones were told of.
        modified_at: Of that change, in whole seconds and never the same for two changes.
        pushed_at: When phones were last told, or were being told.
        next_at: When to look at it again: something changed, telling failed, or a day has passed.
        fence: Grows with every lease; who was overtaken writes nothing.
    """

    __tablename__ = "wallet_pass"
    __table_args__ = (
        CheckConstraint(_one_of("kind", PassKind), name="kind_known"),
        CheckConstraint(_one_of("state", PassState), name="state_known"),
        CheckConstraint("(kind = 'apple') = (token_hash IS NOT NULL)", name="apple_proves"),
        CheckConstraint("told_tag <= tag", name="told_what_was"),
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        Index(
            "uq_wallet_pass_one_of_a_kind",
            "driver_id",
            "kind",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
        Index("ix_wallet_pass_next_at", "next_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"))
    kind: Mapped[str] = mapped_column(String(6))
    state: Mapped[str] = mapped_column(String(6))
    serial: Mapped[str] = mapped_column(String(32), unique=True)
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary())
    shown: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    tag: Mapped[int] = mapped_column(BigInteger())
    told_tag: Mapped[int] = mapped_column(BigInteger())
    modified_at: Mapped[datetime] = mapped_column(UtcDateTime())
    pushed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    made_at: Mapped[datetime] = mapped_column(UtcDateTime())
    attempts: Mapped[int] = mapped_column(SmallInteger())
    trouble: Mapped[str | None] = mapped_column(String(60))
    next_at: Mapped[datetime] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    fence: Mapped[int] = mapped_column(BigInteger())


class WalletPassDevice(Base):
    """An Apple phone that has a pass and wants to be told when it changes.

    Attributes:
        device: Apple's name for the phone and this kind of pass; it changes when somebody likes.
        push_token: What Apple takes as an address.
    """

    __tablename__ = "wallet_pass_device"
    __table_args__ = (Index("ix_wallet_pass_device_device", "device"),)

    pass_id: Mapped[UUID] = mapped_column(
        UUIDType(), ForeignKey("wallet_pass.id", ondelete="CASCADE"), primary_key=True
    )
    device: Mapped[str] = mapped_column(String(100), primary_key=True)
    push_token: Mapped[str] = mapped_column(String(200))
    since: Mapped[datetime] = mapped_column(UtcDateTime())


class WalletPassTag(Base):
    """One row: the number of the last change of any pass. Who takes one holds the row until it commits.

    So numbers become visible in the order in which they were taken, whichever server takes them and
    whatever its clock says.
    """

    __tablename__ = "wallet_pass_tag"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger(), primary_key=True, autoincrement=False)
    tag: Mapped[int] = mapped_column(BigInteger())
