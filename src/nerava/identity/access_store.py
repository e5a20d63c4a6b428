"""Tables of access: invitations, API keys, and what waits for a second person."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Date,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, JSONType, UtcDateTime, UUIDType
from nerava.platform.db.roles import TableRights


class Invite(Base):
    """An offer of one role for one merchant or sponsor, to whoever is reached at one contact.

    The token itself is nowhere: `token_hash` is its SHA-256. Nobody can accept their own offer. Of
    the contact there is a keyed hash and the sealed value while the offer is open, and nothing after.
    """

    __tablename__ = "invite"
    __table_args__ = (
        CheckConstraint(
            "role IN ('merchant:manager', 'merchant:register', 'sponsor')", name="role_invitable"
        ),
        CheckConstraint("length(token_hash) = 32", name="token_hash_whole"),
        CheckConstraint("used_by <> made_by", name="two_people"),
        CheckConstraint("(used_at IS NULL) = (used_by IS NULL)", name="use_whole"),
        CheckConstraint("used_at IS NULL OR withdrawn_at IS NULL", name="one_end"),
        CheckConstraint("expires_at > made_at", name="expires_later"),
        Index("ix_invite_tenant_id", "tenant_id", "id"),
        Index("ix_invite_contact_ix", "contact_ix"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    role: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[UUID] = mapped_column(UUIDType())
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    made_by: Mapped[UUID] = mapped_column(UUIDType())
    made_as: Mapped[str] = mapped_column(String(32))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    used_by: Mapped[UUID | None] = mapped_column(UUIDType())
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    contact_kind: Mapped[str | None] = mapped_column(
        String(16), CheckConstraint("contact_kind IN ('phone', 'email')", name="contact_kind_known")
    )
    contact_ix: Mapped[bytes | None] = mapped_column(
        LargeBinary(32),
        CheckConstraint(
            "(contact_ix IS NOT NULL) = (used_at IS NULL AND withdrawn_at IS NULL)",
            name="open_is_for_a_contact",
        ),
    )
    contact_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary(),
        CheckConstraint("(contact_ix IS NULL) = (contact_sealed IS NULL)", name="over_is_wiped"),
    )


class ApiKey(Base):
    """A key with which a partner's machine calls; its secret is nowhere, `secret_hash` is its SHA-256.

    Attributes:
        key_id: The part of the key by which it is found; no secret.
        slot: 1 or 2: a purpose has two keys at most at a time, so that one can replace the other.
        scopes: What it covers, separated by spaces; never a wildcard.
        networks: Where it may be used from, separated by blanks; empty for anywhere.
        signing: How its writes are signed; `signing_key` is a public key, or a secret sealed under
            the partner's key.
        last_used_on: The last UTC day on which it was used.
    """

    __tablename__ = "api_key"
    __table_args__ = (
        UniqueConstraint("key_id"),
        CheckConstraint("length(secret_hash) = 32", name="secret_hash_whole"),
        CheckConstraint("slot IN (1, 2)", name="two_at_most"),
        CheckConstraint("mode IN ('live', 'test')", name="mode_known"),
        CheckConstraint("signing IN ('hmac-sha256', 'ed25519')", name="signing_known"),
        CheckConstraint("length(scopes) > 0", name="scopes_named"),
        CheckConstraint("expires_at > made_at", name="expires_later"),
        CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revocation_whole"),
        Index(
            "uq_api_key_slot",
            "partner_id",
            "purpose",
            "slot",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(16))
    partner_id: Mapped[UUID] = mapped_column(UUIDType())
    purpose: Mapped[str] = mapped_column(String(40))
    slot: Mapped[int] = mapped_column(SmallInteger())
    mode: Mapped[str] = mapped_column(String(8))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    scopes: Mapped[str] = mapped_column(String(400))
    networks: Mapped[str] = mapped_column(String(1000))
    signing: Mapped[str] = mapped_column(String(16))
    signing_key: Mapped[bytes] = mapped_column(LargeBinary())
    made_by: Mapped[UUID] = mapped_column(UUIDType())
    made_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    revoked_by: Mapped[str | None] = mapped_column(String(80))
    last_used_on: Mapped[date | None] = mapped_column(Date())


class Approval(Base):
    """Something that one person asked for and another has to agree to.

    The four eyes are held here: no row can name the same person twice. What happens after the
    agreement takes its key from `id`, so it happens once.

    Attributes:
        asked: What is asked for, in the words of its kind.
        weight: How much of the kind's daily allowance it uses.
        maker: Who asked, and `checker` who decided; persons, not their roles.
    """

    __tablename__ = "approval"
    __table_args__ = (
        CheckConstraint("checker <> maker", name="two_people"),
        CheckConstraint("state IN ('waiting', 'approved', 'refused')", name="state_known"),
        CheckConstraint(
            "(state = 'waiting') = (checker IS NULL) AND (checker IS NULL) = (decided_at IS NULL)",
            name="decision_whole",
        ),
        CheckConstraint("weight > 0", name="weight_positive"),
        CheckConstraint("expires_at > asked_at", name="expires_later"),
        Index("ix_approval_state", "state", "id"),
        Index("ix_approval_kind_decided_at", "kind", "decided_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    asked: Mapped[dict[str, Any]] = mapped_column(JSONType)
    weight: Mapped[int] = mapped_column(Integer())
    maker: Mapped[UUID] = mapped_column(UUIDType())
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    state: Mapped[str] = mapped_column(String(16))
    checker: Mapped[UUID | None] = mapped_column(UUIDType())
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


RIGHTS: Final = (
    TableRights(
        "invite", actions=("SELECT", "INSERT", "DELETE"), updates=("used_at", "used_by", "withdrawn_at")
    ),
    TableRights("api_key", updates=("revoked_at", "revoked_by", "last_used_on")),
    TableRights("approval", updates=("state", "checker", "decided_at")),
)
"""For `grant_application_role`: who asked for something, and for what, is never rewritten."""
