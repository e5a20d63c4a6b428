"""Tables of roaming: who is connected, what they told, which tokens are ours, what is still to be done."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, JSONType, UtcDateTime, UUIDType


class PeerState(StrEnum):
    """How far a connection has come."""

    INVITED = "invited"
    REGISTERED = "registered"
    ENDED = "ended"


class CredentialKind(StrEnum):
    """What a token that a peer presents opens."""

    INVITATION = "invitation"
    """OCPI's token A: versions and credentials, until the registration."""

    EXCHANGE = "exchange"
    """Token B or C: everything that the peer may do."""


class Module(StrEnum):
    """The kinds of objects that peers own and we keep."""

    LOCATIONS = "locations"
    SESSIONS = "sessions"
    CDRS = "cdrs"
    TARIFFS = "tariffs"


class ObjectState(StrEnum):
    """What became of an object in our own world."""

    KEPT = "kept"
    """It is only kept and shown; nothing follows from it."""

    WAITING = "waiting"
    DONE = "done"
    GIVEN_UP = "given_up"


_WAITING = text("state = 'waiting'")


class RoamingPeer(Base):
    """A party's server that speaks OCPI with us, from the invitation to the end.

    Attributes:
        allowed_parties: `CC-PID` of those for whom it may register; empty for any that are free.
        endpoints: What it told about its version: `[identifier, role, url]`.
        sealed_token: What we present to it, under the vault.
        takes_plain, sends_plain: Whether tokens may come, and go out, without base64.
    """

    __tablename__ = "roaming_peer"
    __table_args__ = (
        CheckConstraint("state IN ('invited', 'registered', 'ended')", name="state_known"),
        CheckConstraint("state <> 'registered' OR sealed_token IS NOT NULL", name="registered_has_token"),
        CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_since"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(10))
    allowed_parties: Mapped[list[Any]] = mapped_column(JSONType, default=list)
    versions_url: Mapped[str | None] = mapped_column(String(500))
    version: Mapped[str | None] = mapped_column(String(8))
    endpoints: Mapped[list[Any]] = mapped_column(JSONType, default=list)
    sealed_token: Mapped[bytes | None] = mapped_column(LargeBinary())
    takes_plain: Mapped[bool] = mapped_column(default=True)
    sends_plain: Mapped[bool] = mapped_column(default=False)
    invited_at: Mapped[datetime] = mapped_column(UtcDateTime())
    registered_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class RoamingCredential(Base):
    """A token that a peer presents to us; only its SHA-256 is kept."""

    __tablename__ = "roaming_credential"
    __table_args__ = (CheckConstraint("kind IN ('invitation', 'exchange')", name="kind_known"),)

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    peer_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("roaming_peer.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class RoamingParty(Base):
    """A party in one role, and the one peer that speaks for it."""

    __tablename__ = "roaming_party"

    country_code: Mapped[str] = mapped_column(String(2), primary_key=True)
    party_id: Mapped[str] = mapped_column(String(3), primary_key=True)
    role: Mapped[str] = mapped_column(String(20), primary_key=True)
    peer_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("roaming_peer.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))


class RoamingObject(Base):
    """An object that a peer owns, as it stands after everything that the peer sent.

    Attributes:
        object_key: The peer's id in lower case: ids compare without case.
        body: JSON with its numbers as they were written; empty when retention emptied it.
        body_hash: SHA-256 of the canonical form, so that a repetition is known as one.
        patch_hash: The same of the last partial update.
        outcome: What followed from it, in a word.
        waits_for: The key of another object that has to come first.
        driver_id, session_id: Whose it turned out to be; None for what concerns no driver of ours.
    """

    __tablename__ = "roaming_object"
    __table_args__ = (
        UniqueConstraint(
            "peer_id", "module", "country_code", "party_id", "object_key", name="uq_roaming_object_key"
        ),
        CheckConstraint("module IN ('locations', 'sessions', 'cdrs', 'tariffs')", name="module_known"),
        CheckConstraint("state IN ('kept', 'waiting', 'done', 'given_up')", name="state_known"),
        CheckConstraint("state <> 'waiting' OR due_at IS NOT NULL", name="waiting_is_due"),
        Index("ix_roaming_object_due", "due_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("ix_roaming_object_waits_for", "peer_id", "waits_for"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    peer_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("roaming_peer.id"))
    module: Mapped[str] = mapped_column(String(10))
    country_code: Mapped[str] = mapped_column(String(2))
    party_id: Mapped[str] = mapped_column(String(3))
    object_key: Mapped[str] = mapped_column(String(100))
    version: Mapped[str] = mapped_column(String(8))
    body: Mapped[str] = mapped_column(Text())
    body_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    patch_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    last_updated: Mapped[datetime] = mapped_column(UtcDateTime())
    received_at: Mapped[datetime] = mapped_column(UtcDateTime())
    state: Mapped[str] = mapped_column(String(8))
    outcome: Mapped[str | None] = mapped_column(String(40))
    waits_for: Mapped[str | None] = mapped_column(String(160))
    attempts: Mapped[int] = mapped_column(SmallInteger(), default=0)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    driver_id: Mapped[UUID | None] = mapped_column(UUIDType(), index=True)
    session_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("charging_session.id"), index=True)

    @property
    def key(self) -> str:
        """How another object of the same peer names this one when it waits for it."""
        return key_of(self.module, self.country_code, self.party_id, self.object_key)


def key_of(module: str, country_code: str, party_id: str, object_id: str) -> str:
    """Return the name of an object among those of its peer."""
    return f"{module}/{country_code}/{party_id}/{object_id.lower()}"


class RoamingToken(Base):
    """A token of ours: what a driver shows at a charge point, and what its operator names to us.

    Attributes:
        uid_key: The uid in lower case; with `kind` unique, because one uid may exist as two kinds.
        contract_id: The driver's contract, opaque.
    """

    __tablename__ = "roaming_token"
    __table_args__ = (
        UniqueConstraint("kind", "uid_key"),
        CheckConstraint("kind IN ('APP_USER', 'RFID')", name="kind_known"),
        CheckConstraint(
            "whitelist IN ('ALWAYS', 'ALLOWED', 'ALLOWED_OFFLINE', 'NEVER')", name="whitelist_known"
        ),
        Index("ix_roaming_token_last_updated", "last_updated", "id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    uid: Mapped[str] = mapped_column(String(36))
    uid_key: Mapped[str] = mapped_column(String(36))
    contract_id: Mapped[str] = mapped_column(String(36))
    is_valid: Mapped[bool] = mapped_column(default=True)
    whitelist: Mapped[str] = mapped_column(String(15), default="ALLOWED")
    made_at: Mapped[datetime] = mapped_column(UtcDateTime())
    last_updated: Mapped[datetime] = mapped_column(UtcDateTime())


class RoamingTokenPush(Base):
    """That a peer does not know a token of ours as it is now. Gone when it does."""

    __tablename__ = "roaming_token_push"
    __table_args__ = (Index("ix_roaming_token_push_due", "due_at"),)

    peer_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("roaming_peer.id"), primary_key=True)
    token_id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    attempts: Mapped[int] = mapped_column(SmallInteger(), default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime())


class RoamingPull(Base):
    """Reading one module of one peer again and again, because neither side queues what was not delivered.

    Attributes:
        due_at: When the next page, or the next reading, is to be asked for.
        read_until: Everything that was updated before is known; None before the first reading.
        began_at: When the reading that is under way began; `next_url` is its next page, and `total` how
            many objects there were at the last one.
        fence: Grows with every lease, so that a worker that was too slow changes nothing.
    """

    __tablename__ = "roaming_pull"
    __table_args__ = (Index("ix_roaming_pull_due", "due_at"),)

    peer_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("roaming_peer.id"), primary_key=True)
    module: Mapped[str] = mapped_column(String(10), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    fence: Mapped[int] = mapped_column(Integer(), default=0)
    read_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    began_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_url: Mapped[str | None] = mapped_column(String(1000))
    total: Mapped[int | None] = mapped_column(Integer())
    failures: Mapped[int] = mapped_column(SmallInteger(), default=0)
    failure: Mapped[str | None] = mapped_column(String(60))
