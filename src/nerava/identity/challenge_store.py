"""The tables of sign-in challenges and of codes that were wrong, and every statement that changes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    delete,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from nerava.identity.one_time import GUESSES_MAX
from nerava.platform.db import Base, UtcDateTime, UUIDType
from nerava.platform.metrics.catalogue import CODES
from nerava.platform.metrics.tally import tally

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FAILURES_MAX: Final = 100
"""So many wrong codes in a row switch an identity's codes off until something stronger resets it."""

KEPT: Final = timedelta(days=7)
FAILURES_KEPT: Final = timedelta(days=90)

_OPEN: Final = text("used_at IS NULL AND voided_at IS NULL")


class SignInChallenge(Base):
    """A code or a link that was sent, and what became of it.

    What must be secret is kept as a keyed hash (codes), as a hash (tokens) or sealed (the contact,
    which is wiped as soon as it is not needed). At most one of a kind is open for a contact and purpose.

    Attributes:
        user_id: Who asked, and on which session; none where somebody signs in.
    """

    __tablename__ = "sign_in_challenge"
    __table_args__ = (
        CheckConstraint("kind IN ('code', 'link')", name="kind_known"),
        CheckConstraint("channel IN ('sms', 'email')", name="channel_known"),
        CheckConstraint("(kind = 'link') = (token_hash IS NOT NULL)", name="token_of_link"),
        CheckConstraint(f"attempts BETWEEN 0 AND {GUESSES_MAX}", name="attempts_bounded"),
        CheckConstraint("used_at IS NULL OR contact_sealed IS NULL", name="used_forgets_contact"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index(
            "uq_sign_in_challenge_open",
            "contact_ix",
            "kind",
            "purpose",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        Index(None, "contact_ix"),
        Index(None, "created_at"),
        Index(None, "user_id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    purpose: Mapped[str] = mapped_column(String(32))
    channel: Mapped[str] = mapped_column(String(16))
    contact_ix: Mapped[bytes] = mapped_column(LargeBinary(32))
    identity_ix: Mapped[bytes] = mapped_column(LargeBinary(32))
    contact_sealed: Mapped[bytes | None] = mapped_column(LargeBinary())
    client_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    pepper_id: Mapped[str] = mapped_column(String(16))
    code_mac: Mapped[bytes] = mapped_column(LargeBinary(32))
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    attempts: Mapped[int] = mapped_column(SmallInteger())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    voided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    user_id: Mapped[UUID | None] = mapped_column(
        UUIDType(),
        CheckConstraint("(purpose = 'sign-in') = (user_id IS NULL)", name="user_unless_sign_in"),
    )
    session_id: Mapped[UUID | None] = mapped_column(
        UUIDType(), CheckConstraint("(user_id IS NULL) = (session_id IS NULL)", name="session_of_user")
    )

    @property
    def whose(self) -> tuple[UUID, UUID] | None:
        """The user who asked and the session; none where somebody signs in."""
        return None if self.user_id is None or self.session_id is None else (self.user_id, self.session_id)

    def is_open(self, now: datetime, guesses_max: int) -> bool:
        """Whether another guess may be evaluated."""
        unused = self.used_at is None and self.voided_at is None
        return unused and now < self.expires_at and self.attempts < guesses_max


class SignInFailures(Base):
    """How many codes in a row an identity, known or not, had wrong; no row means none."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (CheckConstraint("in_a_row > 0", name="some"),)

    identity_ix: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    in_a_row: Mapped[int] = mapped_column(Integer())
    last_at: Mapped[datetime] = mapped_column(UtcDateTime(), index=True)


def void_open(session: Session, *, contact_ix: bytes, kind: str, purpose: str, now: datetime) -> None:
    """End the open challenge of a contact, because another one takes its place."""
    session.execute(
        update(SignInChallenge)
        .where(
            SignInChallenge.contact_ix == contact_ix,
            SignInChallenge.kind == kind,
            SignInChallenge.purpose == purpose,
            SignInChallenge.used_at.is_(None),
            SignInChallenge.voided_at.is_(None),
        )
        .values(voided_at=now, contact_sealed=None)
    )


def locked(session: Session, challenge_id: UUID) -> SignInChallenge | None:
    """Return a challenge of this id, locked until the transaction ends."""
    query = select(SignInChallenge).where(SignInChallenge.id == challenge_id).with_for_update()
    return session.scalars(query).one_or_none()


def asked_by(session: Session, challenge_id: UUID, whose: tuple[UUID, UUID]) -> bool:
    """Whether a challenge was asked for by this user on this session."""
    found = session.get(SignInChallenge, challenge_id)
    return found is not None and found.whose == whose


def locked_by_token(session: Session, token_hash: bytes) -> SignInChallenge | None:
    """Return the challenge of a link, locked until the transaction ends."""
    query = select(SignInChallenge).where(SignInChallenge.token_hash == token_hash).with_for_update()
    return session.scalars(query).one_or_none()


def consume(session: Session, challenge_id: UUID, now: datetime) -> bool:
    """Mark a challenge used, and forget the contact; False when somebody was faster or it is over."""
    changed = session.execute(
        update(SignInChallenge)
        .where(
            SignInChallenge.id == challenge_id,
            SignInChallenge.used_at.is_(None),
            SignInChallenge.voided_at.is_(None),
            SignInChallenge.expires_at > now,
        )
        .values(used_at=now, contact_sealed=None)
        .returning(SignInChallenge.id)
    )
    is_mine = changed.first() is not None
    if is_mine:
        tally(session, CODES, "used")
    return is_mine


def count_failure(session: Session, identity_ix: bytes, now: datetime) -> int:
    """Count one more wrong code in a row for an identity, and return how many those are now."""
    table = SignInFailures.__table__
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(identity_ix=identity_ix, in_a_row=1, last_at=now)
    more = statement.on_conflict_do_update(
        index_elements=["identity_ix"], set_={"in_a_row": table.c.in_a_row + 1, "last_at": now}
    ).returning(table.c.in_a_row)
    return int(session.execute(more).scalar_one())


def failures_of(session: Session, identity_ix: bytes) -> int:
    """Return how many wrong codes in a row an identity has."""
    query = select(SignInFailures.in_a_row).where(SignInFailures.identity_ix == identity_ix)
    return session.scalar(query) or 0


def forgive(session: Session, identity_ix: bytes) -> None:
    """Begin the count of wrong codes anew. Repeats safely."""
    session.execute(delete(SignInFailures).where(SignInFailures.identity_ix == identity_ix))


def purge(session: Session, now: datetime) -> int:
    """Delete old challenges and counts, wipe contacts of what is over, and return how many rows it were."""
    gone = session.execute(
        delete(SignInChallenge).where(SignInChallenge.created_at < now - KEPT).returning(SignInChallenge.id)
    )
    wiped = session.execute(
        update(SignInChallenge)
        .where(SignInChallenge.expires_at <= now, SignInChallenge.contact_sealed.is_not(None))
        .values(contact_sealed=None)
        .returning(SignInChallenge.id)
    )
    forgotten = session.execute(
        delete(SignInFailures)
        .where(SignInFailures.last_at < now - FAILURES_KEPT, SignInFailures.in_a_row < FAILURES_MAX)
        .returning(SignInFailures.identity_ix)
    )
    return len(gone.all()) + len(wiped.all()) + len(forgotten.all())
