"""The tables of what users prove themselves with, and every statement that uses something up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Index,
    LargeBinary,
    String,
    delete,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime, UUIDType

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

KEPT: Final = timedelta(days=1)
"""How long what was used, or never was, stays in the table."""

UNCONFIRMED_LIFE: Final = timedelta(minutes=10)
"""How long an authenticator app waits for its first code."""

_CONFIRMED: Final = text("confirmed_at IS NOT NULL")


class FactorTotp(Base):
    """An authenticator app of a user. Its seed is sealed under the user's own key.

    People of ops act under ids without an account, so `user_id` refers to no table.

    Attributes:
        session_id: Where it was set up; only there it can be confirmed.
        confirmed_at: When its first code was shown; it proves nothing before.
        last_step: The newest 30-second step whose code was used: it and older ones are used up.
    """

    __tablename__ = "factor_totp"
    __table_args__ = (
        CheckConstraint("confirmed_at IS NULL OR last_step IS NOT NULL", name="confirmed_by_a_code"),
        Index(
            "uq_factor_totp_confirmed",
            "user_id",
            unique=True,
            sqlite_where=_CONFIRMED,
            postgresql_where=_CONFIRMED,
        ),
        Index(None, "user_id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(UUIDType())
    session_id: Mapped[UUID] = mapped_column(UUIDType())
    label: Mapped[str] = mapped_column(String(60))
    sealed: Mapped[bytes] = mapped_column(LargeBinary())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_step: Mapped[int | None] = mapped_column(BigInteger())
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class FactorPasskey(Base):
    """A passkey of a user: a public key, and the counter that shows whether there are two of it.

    Attributes:
        public_key: As COSE wrote it.
        sign_count: What it counted at its last use; 0 for those that do not count.
        is_backed_up: Whether its provider keeps a copy for the user's other devices.
    """

    __tablename__ = "factor_passkey"
    __table_args__ = (CheckConstraint("sign_count >= 0", name="sign_count_whole"),)

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(UUIDType(), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1_023), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary())
    sign_count: Mapped[int] = mapped_column(BigInteger())
    label: Mapped[str] = mapped_column(String(60))
    is_backed_up: Mapped[bool] = mapped_column(Boolean())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class PasskeyCeremony(Base):
    """A challenge that one passkey answers once.

    Attributes:
        user_id: Whose passkey it has to be, and on which session; none where somebody signs in.
    """

    __tablename__ = "passkey_ceremony"
    __table_args__ = (
        CheckConstraint("kind IN ('sign-in', 'step-up', 'add')", name="kind_known"),
        CheckConstraint("(kind = 'sign-in') = (user_id IS NULL)", name="user_unless_sign_in"),
        CheckConstraint("(user_id IS NULL) = (session_id IS NULL)", name="session_of_user"),
        CheckConstraint("length(challenge) = 32", name="challenge_whole"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index(None, "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    challenge: Mapped[bytes] = mapped_column(LargeBinary(32))
    user_id: Mapped[UUID | None] = mapped_column(UUIDType())
    session_id: Mapped[UUID | None] = mapped_column(UUIDType())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class IdTokenState(Base):
    """A nonce that one ID token answers once, for the client that asked for it.

    Nonce and client secret are nowhere: these are their SHA-256.

    Attributes:
        user_id: Whose account the answer is to be linked to, and on which session; none where
            somebody signs in.
    """

    __tablename__ = "id_token_state"
    __table_args__ = (
        CheckConstraint("provider IN ('google', 'apple')", name="provider_known"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index(None, "expires_at"),
        Index(None, "user_id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    provider: Mapped[str] = mapped_column(String(16))
    nonce_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    client_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    user_id: Mapped[UUID | None] = mapped_column(UUIDType())
    session_id: Mapped[UUID | None] = mapped_column(
        UUIDType(), CheckConstraint("(user_id IS NULL) = (session_id IS NULL)", name="session_of_user")
    )


class OpsLink(Base):
    """A link that works once for somebody of ops; the token is nowhere.

    Made by the demo, it opens a session. Made by `nerava ops invite`, it adds a passkey; under
    production rules it can do nothing else.
    """

    __tablename__ = "ops_link"
    __table_args__ = (
        CheckConstraint("length(token_hash) = 32", name="token_hash_whole"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index(None, "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(UUIDType())
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


def totp_of(session: Session, user_id: UUID) -> FactorTotp | None:
    """Return the authenticator app with which a user can prove themselves, if there is one."""
    query = select(FactorTotp).where(FactorTotp.user_id == user_id, FactorTotp.confirmed_at.is_not(None))
    return session.scalars(query).one_or_none()


def use_step(session: Session, factor_id: UUID, step: int, now: datetime) -> bool:
    """Use a time step up, with all before it; False when somebody was faster or it was used before."""
    changed = session.execute(
        update(FactorTotp)
        .where(
            FactorTotp.id == factor_id,
            FactorTotp.confirmed_at.is_not(None),
            FactorTotp.last_step < step,
        )
        .values(last_step=step, last_used_at=now)
        .returning(FactorTotp.id)
    )
    return changed.first() is not None


def confirm(session: Session, factor_id: UUID, step: int, now: datetime) -> bool:
    """Let an authenticator app count from now on; False when it already does, or came too late."""
    changed = session.execute(
        update(FactorTotp)
        .where(
            FactorTotp.id == factor_id,
            FactorTotp.confirmed_at.is_(None),
            FactorTotp.created_at > now - UNCONFIRMED_LIFE,
        )
        .values(confirmed_at=now, last_step=step)
        .returning(FactorTotp.id)
    )
    return changed.first() is not None


def drop_unconfirmed(session: Session, user_id: UUID) -> None:
    """Forget authenticator apps of a user that were set up and never confirmed."""
    session.execute(
        delete(FactorTotp).where(FactorTotp.user_id == user_id, FactorTotp.confirmed_at.is_(None))
    )


def passkeys_of(session: Session, user_id: UUID) -> list[FactorPasskey]:
    """Return the passkeys of a user, the oldest first."""
    return list(session.scalars(_passkeys_of(user_id)))


def locked_passkeys_of(session: Session, user_id: UUID) -> list[FactorPasskey]:
    """Return the passkeys of a user, locked until the transaction ends."""
    return list(session.scalars(_passkeys_of(user_id).with_for_update()))


def passkey_by(session: Session, credential_id: bytes) -> FactorPasskey | None:
    """Return the passkey of this credential id."""
    query = select(FactorPasskey).where(FactorPasskey.credential_id == credential_id)
    return session.scalars(query).one_or_none()


def count_up(session: Session, factor_id: UUID, sign_count: int, now: datetime) -> bool:
    """Note the use of a passkey; False when its counter did not grow, so that there may be two of it.

    A passkey that never counted goes on so.
    """
    is_newer = FactorPasskey.sign_count < sign_count if sign_count else FactorPasskey.sign_count == 0
    changed = session.execute(
        update(FactorPasskey)
        .where(FactorPasskey.id == factor_id, is_newer)
        .values(sign_count=sign_count, last_used_at=now)
        .returning(FactorPasskey.id)
    )
    return changed.first() is not None


def consume_ceremony(
    session: Session, ceremony_id: UUID, kind: str, now: datetime, *, of: tuple[UUID, UUID] | None = None
) -> bytes | None:
    """Use a ceremony up and return its challenge; None when it is over or somebody else's.

    `of` is the user and the session that it was begun for; none where somebody signs in.
    """
    user_id, session_id = of if of is not None else (None, None)
    return session.scalar(
        update(PasskeyCeremony)
        .where(
            PasskeyCeremony.id == ceremony_id,
            PasskeyCeremony.kind == kind,
            PasskeyCeremony.user_id == user_id,
            PasskeyCeremony.session_id == session_id,
            PasskeyCeremony.used_at.is_(None),
            PasskeyCeremony.expires_at > now,
        )
        .values(used_at=now)
        .returning(PasskeyCeremony.challenge)
    )


def consume_state(session: Session, state_id: UUID, now: datetime) -> bool:
    """Use a nonce up; False when it is over."""
    changed = session.execute(
        update(IdTokenState)
        .where(IdTokenState.id == state_id, IdTokenState.used_at.is_(None), IdTokenState.expires_at > now)
        .values(used_at=now)
        .returning(IdTokenState.id)
    )
    return changed.first() is not None


def open_ops_link(session: Session, token_hash: bytes, now: datetime) -> OpsLink | None:
    """Return a link of ops that still works; nothing is used up."""
    return session.scalar(
        select(OpsLink).where(
            OpsLink.token_hash == token_hash, OpsLink.used_at.is_(None), OpsLink.expires_at > now
        )
    )


def consume_ops_link(session: Session, token_hash: bytes, now: datetime) -> UUID | None:
    """Use a link of ops up and return whose it is; None when it is over or never was."""
    return session.scalar(
        update(OpsLink)
        .where(OpsLink.token_hash == token_hash, OpsLink.used_at.is_(None), OpsLink.expires_at > now)
        .values(used_at=now)
        .returning(OpsLink.user_id)
    )


def purge(session: Session, now: datetime) -> int:
    """Delete what was for one use and is over since a day, and return how many rows it were."""
    gone = 0
    for table in (PasskeyCeremony, IdTokenState, OpsLink):
        deleted = session.execute(delete(table).where(table.expires_at < now - KEPT).returning(table.id))
        gone += len(deleted.all())
    forgotten = session.execute(
        delete(FactorTotp)
        .where(FactorTotp.confirmed_at.is_(None), FactorTotp.created_at < now - UNCONFIRMED_LIFE)
        .returning(FactorTotp.id)
    )
    return gone + len(forgotten.all())


def _passkeys_of(user_id: UUID) -> Select[FactorPasskey]:
    return select(FactorPasskey).where(FactorPasskey.user_id == user_id).order_by(FactorPasskey.id)
