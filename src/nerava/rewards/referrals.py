"""Referrals: somebody new names who told them, and once they have charged both get a present of the house."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import select, text, update

from nerava.charging.model import ChargingSession
from nerava.charging.states import SessionState
from nerava.drivers.model import Driver
from nerava.identity.model import RoleMembership
from nerava.identity.roles import Role
from nerava.identity.session_store import AuthSession
from nerava.identity.user_store import AppUser
from nerava.kernel.ids import new_id
from nerava.platform.db.bulk import BulkInsert
from nerava.rewards.errors import (
    AlreadyReferred,
    OwnReferralCode,
    ReferralTooLate,
    UnknownReferralCode,
)
from nerava.rewards.reasons import sentence
from nerava.rewards.referral_store import Referral, ReferralCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

POINTS: Final = 500
"""What each of the two gets."""

NEW_FOR: Final = timedelta(days=14)
"""How long after the sign-up somebody may still name who told them."""

SESSION_MIN: Final = timedelta(minutes=15)
SHOWN_MAX: Final = 100
CHAIN_MAX: Final = 1_000

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHARACTERS: Final = 8
_CODE: Final[Any] = ReferralCode.__table__
_R: Final[Any] = Referral.__table__
_S: Final[Any] = ChargingSession.__table__
_NEW_CODE: Final = BulkInsert(_CODE, ("driver_id", "code", "made_at"), if_new=True)


@dataclass(frozen=True, slots=True)
class ReferralView:
    """A referral as both of its drivers may see it; neither is told who the other one is."""

    id: UUID
    state: str
    text: str
    named_at: datetime
    rewarded_at: datetime | None


@dataclass(frozen=True, slots=True)
class OwnReferrals:
    """What a driver sees: the own code, by whom they came, and who came by them, the newest first."""

    code: str
    named: ReferralView | None
    referred: Sequence[ReferralView]


def make_code(session: Session, driver_id: UUID, now: datetime) -> None:
    """Give a driver a code unless they have one. Repeats safely."""
    wanted = select(_CODE.c.code).where(_CODE.c.driver_id == driver_id)
    while session.scalar(wanted) is None:
        fresh = "".join(secrets.choice(_ALPHABET) for _ in range(_CHARACTERS))
        _NEW_CODE.run(session, [(driver_id, fresh, now)])


def own_referrals(session: Session, driver_id: UUID) -> OwnReferrals | None:
    """Return a driver's code and referrals, at most 100; None before the driver has a code."""
    code = session.scalar(select(_CODE.c.code).where(_CODE.c.driver_id == driver_id))
    if code is None:
        return None
    mine = session.execute(select(_R).where(_R.c.referee_id == driver_id)).one_or_none()
    others = select(_R).where(_R.c.referrer_id == driver_id).order_by(_R.c.id.desc()).limit(SHOWN_MAX)
    return OwnReferrals(
        code, None if mine is None else _shown(mine), [_shown(row) for row in session.execute(others)]
    )


def name_referrer(
    session: Session, *, referee_id: UUID, subject: UUID, code: str, now: datetime
) -> ReferralView:
    """Write down who told a new driver, once, in the caller's unit of work.

    Two drivers of one person, two on one device and a circle are kept as refused, with the reason.

    Args:
        session: The caller's unit of work.
        referee_id: The driver who came.
        subject: The user who is signed in as this driver.
        code: The code of whoever told them.
        now: Aware UTC.

    Raises:
        UnknownReferralCode: Nobody has this code (404).
        OwnReferralCode: It is their own (409).
        AlreadyReferred: They named somebody before (409).
        ReferralTooLate: They signed up more than 14 days ago (409).
    """
    _take_turn(session)
    referrer_id = session.scalar(select(_CODE.c.driver_id).where(_CODE.c.code == code.strip().upper()))
    if referrer_id is None:
        raise UnknownReferralCode
    if referrer_id == referee_id:
        raise OwnReferralCode
    if session.scalar(select(_R.c.id).where(_R.c.referee_id == referee_id)) is not None:
        raise AlreadyReferred
    since = session.scalar(select(AppUser.created_at).where(AppUser.id == subject))
    since = since or session.scalar(select(Driver.created_at).where(Driver.id == referee_id))
    if since is None or now - since > NEW_FOR:
        raise ReferralTooLate
    reason = _why_not(session, referrer_id, referee_id, subject)
    row = Referral(
        id=new_id(),
        referrer_id=referrer_id,
        referee_id=referee_id,
        state="invited" if reason is None else "refused",
        reason=reason,
        named_at=now,
    )
    session.add(row)
    session.flush()
    return _shown(session.execute(select(_R).where(_R.c.id == row.id)).one())


def qualify(database: Database, now: datetime) -> int:
    """Let referrals qualify whose new driver has charged for 15 minutes, verified; return how many.

    Safe to repeat and beside other workers: a referral leaves its state once.
    """
    wanted = (
        select(_R.c.id, _S.c.id.label("session_id"), _S.c.started_at, _S.c.ended_at)
        .join(_S, _S.c.driver_id == _R.c.referee_id)
        .where(_R.c.state == "invited", _S.c.state == SessionState.VERIFIED.value)
        .order_by(_S.c.started_at.desc(), _S.c.id)
    )
    rows = database.read(lambda session: session.execute(wanted).all(), patient=True)
    # The earliest comes last and stays.
    first = {row.id: row.session_id for row in rows if row.ended_at - row.started_at >= SESSION_MIN}
    if not first:
        return 0

    def unit(session: Session) -> int:
        moved = 0
        for referral_id in sorted(first):
            change = update(_R).where(_R.c.id == referral_id, _R.c.state == "invited")
            values = {"state": "qualified", "session_id": first[referral_id], "next_at": now}
            moved += session.execute(change.values(values)).rowcount  # type: ignore[attr-defined]
        return moved

    return database.run(unit, repeatable=True)


def _why_not(session: Session, referrer_id: UUID, referee_id: UUID, subject: UUID) -> str | None:
    people = session.scalars(
        select(RoleMembership.subject).where(
            RoleMembership.role == Role.DRIVER.value, RoleMembership.tenant_id == referrer_id
        )
    ).all()
    if subject in people:
        return "referral.same_contact"
    devices = select(AuthSession.device_key).where(
        AuthSession.user_id == subject, AuthSession.device_key.is_not(None)
    )
    shared = select(AuthSession.id).where(
        AuthSession.user_id.in_(people), AuthSession.device_key.in_(devices)
    )
    if session.scalar(shared.limit(1)) is not None:
        return "referral.same_device"
    above: UUID | None = referrer_id
    for _ in range(CHAIN_MAX):
        above = session.scalar(select(_R.c.referrer_id).where(_R.c.referee_id == above))
        if above is None:
            return None
        if above == referee_id:
            return "referral.circle"
    return "referral.circle"


def _take_turn(session: Session) -> None:
    """Let those who name somebody wait for each other, so that no circle closes behind their backs."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": zlib.crc32(b"referral")})


def _shown(row: Row[Any]) -> ReferralView:
    code = row.reason or f"referral.{row.state}"
    return ReferralView(row.id, row.state, sentence(code, {"points": POINTS}), row.named_at, row.rewarded_at)
