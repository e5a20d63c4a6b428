"""The tables of people: users, where they can be reached, and by whom else they are known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from nerava.identity.contacts import ContactKind
from nerava.identity.model import RoleMembership
from nerava.identity.session_store import AuthSession
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.platform.db import Base, UtcDateTime, UUIDType

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

OPS: Final = "ops:%"


class UserState(StrEnum):
    """What an account may do: everything, nothing for now, nothing for ever."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ERASED = "erased"


_STATES: Final = ", ".join(f"'{one.value}'" for one in UserState)
_KINDS: Final = ", ".join(f"'{one.value}'" for one in ContactKind)


class AppUser(Base):
    """Somebody with an account. The row says nothing about the person; its id is what others know."""

    __tablename__ = "app_user"
    __table_args__ = (CheckConstraint(f"state IN ({_STATES})", name="state_known"),)

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    state: Mapped[str] = mapped_column(String(16))


class UserContact(Base):
    """A phone number or an address that a user proved to receive things at.

    Found by a keyed hash, readable only with the user's own key, so erasing both leaves nothing.
    """

    __tablename__ = "user_contact"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_KINDS})", name="kind_known"),
        CheckConstraint("length(contact_ix) = 32", name="contact_ix_whole"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("app_user.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    contact_ix: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary())
    verified_at: Mapped[datetime] = mapped_column(UtcDateTime())


class ExternalIdentity(Base):
    """A user as another issuer names them: by issuer and subject, never by an e-mail address."""

    __tablename__ = "external_identity"
    __table_args__ = (
        UniqueConstraint("issuer", "subject"),
        Index("uq_external_identity_user_id_issuer", "user_id", "issuer", unique=True),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("app_user.id"), index=True)
    issuer: Mapped[str] = mapped_column(String(200))
    subject: Mapped[str] = mapped_column(String(255))
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime())


class NoAccount(NeravaError):
    """The caller acts under an id without an account, which has nothing to keep this with."""

    code = "no-account"
    status = HTTPStatus.CONFLICT
    title = "You act without an account of your own"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class Known:
    """A user, as far as signing in is concerned.

    Attributes:
        is_ops: Whether the user has a role of ops, for whom no code and no link is enough.
    """

    user_id: UUID
    state: UserState
    is_ops: bool


def owner_of(user_id: UUID) -> str:
    """Return the name under which the vault keeps a user's key; destroying that key erases the user."""
    return f"user:{user_id}"


def known_by(session: Session, contact_ix: bytes) -> Known | None:
    """Return the user who is reached at a contact; one statement, whether there is one or not."""
    query = _known().join(UserContact, UserContact.user_id == AppUser.id)
    return _found(session, query.where(UserContact.contact_ix == contact_ix))


def known_as(session: Session, issuer: str, subject: str) -> Known | None:
    """Return the user whom an issuer knows under a subject."""
    query = _known().join(ExternalIdentity, ExternalIdentity.user_id == AppUser.id)
    return _found(
        session, query.where(ExternalIdentity.issuer == issuer, ExternalIdentity.subject == subject)
    )


def known_user(session: Session, user_id: UUID) -> Known:
    """Return a user by id. People of ops act under ids without an account; those are active."""
    found = _found(session, _known().where(AppUser.id == user_id))
    if found is not None:
        return found
    roles = select(RoleMembership.id).where(RoleMembership.subject == user_id, RoleMembership.role.like(OPS))
    return Known(user_id, UserState.ACTIVE, is_ops=session.scalar(roles.limit(1)) is not None)


def lock_user(session: Session, user_id: UUID) -> bool:
    """Let nobody else change how a user comes in until the transaction ends; return whether it is an account.

    Of people of ops, who act under ids without an account, the roles are locked. Take it before
    any other lock on what a user has.
    """
    account = select(AppUser.id).where(AppUser.id == user_id)
    if session.scalar(account.with_for_update(key_share=True)) is not None:
        return True
    roles = select(RoleMembership.id).where(RoleMembership.subject == user_id).order_by(RoleMembership.id)
    session.execute(roles.with_for_update(key_share=True))
    return False


def _known() -> Select[UUID, str, bool]:
    is_ops = (
        select(RoleMembership.id)
        .where(RoleMembership.subject == AppUser.id, RoleMembership.role.like(OPS))
        .exists()
    )
    return select(AppUser.id, AppUser.state, is_ops.label("is_ops"))


def _found(session: Session, query: Select[UUID, str, bool]) -> Known | None:
    row = session.execute(query).one_or_none()
    return None if row is None else Known(row.id, UserState(row.state), bool(row.is_ops))


def knows_device(session: Session, contact_ix: bytes, device_key: str) -> bool:
    """Whether the user who is reached at a contact has signed in before from the device with this key."""
    query = (
        select(AuthSession.id)
        .join(UserContact, UserContact.user_id == AuthSession.user_id)
        .where(UserContact.contact_ix == contact_ix, AuthSession.device_key == device_key)
        .limit(1)
    )
    return session.scalar(query) is not None


def link(session: Session, user_id: UUID, issuer: str, subject: str, now: datetime) -> bool:
    """Let a user come in by an issuer's word; False when that subject is somebody's already."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {"id": new_id(), "user_id": user_id, "issuer": issuer, "subject": subject, "linked_at": now}
    linked = dialect.insert(ExternalIdentity).values(row).on_conflict_do_nothing()
    return session.scalar(linked.returning(ExternalIdentity.id)) is not None


def contacts_of(session: Session, user_id: UUID) -> list[UserContact]:
    """Return the verified contacts of a user, the oldest first."""
    query = select(UserContact).where(UserContact.user_id == user_id).order_by(UserContact.id)
    return list(session.scalars(query))


def identities_of(session: Session, user_id: UUID) -> list[ExternalIdentity]:
    """Return as whom other issuers know a user, the oldest first."""
    query = select(ExternalIdentity).where(ExternalIdentity.user_id == user_id).order_by(ExternalIdentity.id)
    return list(session.scalars(query))
