"""What erasing somebody does to each table, and what has to end before it may be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, update

from nerava.audit import ActorKind
from nerava.charging.model import ChargingSession, SessionEvidence
from nerava.charging.states import SessionState
from nerava.drivers import pass_changes
from nerava.drivers.model import Driver
from nerava.identity.invites import end_for
from nerava.identity.session_store import Ended
from nerava.identity.sessions import EndedBy
from nerava.identity.user_store import AppUser, UserState, owner_of
from nerava.kernel.switch_names import MONEY_ALL
from nerava.ledger.errors import UnknownAccount
from nerava.ledger.lot_reads import open_lots
from nerava.ledger.reads import balance_now
from nerava.ledger.templates.expiry import DueLot, expiry
from nerava.payouts.methods import owes_anything, retire
from nerava.payouts.states import OwnerKind
from nerava.platform.db import Base
from nerava.privacy.holdings import HOLDINGS, OnErase
from nerava.privacy.holds import holds_person
from nerava.privacy.subjects import subject_of
from nerava.vehicles.links import let_go

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.sessions import Sessions
    from nerava.ledger import Ledger
    from nerava.ledger.reads import AccountBalance
    from nerava.platform.vault import Vault
    from nerava.privacy.model import Erasure
    from nerava.privacy.subjects import Subject

__all__ = ["MONEY_ALL", "Erased", "erase", "held_by"]

ACTOR: Final = "system:erasures"
LEGAL_HOLD: Final = "legal-hold"
_UNDECIDED: Final = [SessionState.OPEN.value, SessionState.CLOSED.value, SessionState.REVIEW.value]


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did.

    Attributes:
        rows: How many rows were deleted.
        points_lapsed: Points that went to breakage; `points_left` stay in the ledger, because
            something there reserves them.
    """

    rows: int
    points_lapsed: int
    points_left: int


def held_by(session: Session, vault: Vault, row: Erasure, now: datetime) -> str | None:
    """Return what has to end before this erasure may run, as one stable word; None for nothing.

    `legal-hold`: ops has ordered that the person, or something of theirs, be kept.
    `sessions-undecided`: a charging session has yet to be judged. `payouts-open`: money is on its way
    to their bank, or may still come back from there. `rewards-pending`: points are on
    their way or reserved. `points`: some are left, and the notice is not over.
    """
    who = subject_of(session, vault, row.user_id)
    if holds_person(session, who):
        return LEGAL_HOLD
    undecided = select(ChargingSession.id).where(
        ChargingSession.driver_id.in_(who.driver_ids), ChargingSession.state.in_(_UNDECIDED)
    )
    if session.scalar(undecided.limit(1)) is not None:
        return "sessions-undecided"
    if owes_anything(session, OwnerKind.DRIVER, who.driver_ids):
        return "payouts-open"
    balances = _balances(session, who)
    if any(one.credits_pending or one.debits_pending for one in balances):
        return "rewards-pending"
    if now < row.forfeit_at and any(one.posted > 0 for one in balances):
        return "points"
    return None


def erase(
    session: Session, ledger: Ledger, vault: Vault, sessions: Sessions, *, user_id: UUID, now: datetime
) -> Erased:
    """Erase a person in the caller's transaction; the ledger and the audit log stay as they are.

    Points that are left lapse, each lot by its own chain, so nothing is dropped silently. Twice
    changes nothing more. Their row in `erasure` must say that it is running.
    """
    who = subject_of(session, vault, user_id)
    # Whoever is about to grant these drivers something waits, or has done it.
    session.execute(select(Driver.id).where(Driver.id.in_(who.driver_ids)).with_for_update())
    lapsed = sum(_lapse(session, ledger, one, now) for one in who.driver_ids)
    left = sum(one.posted for one in _balances(session, who))
    by = EndedBy(ActorKind.SYSTEM, ACTOR)
    sessions.end_all(session, user_id, now, because=Ended.SIGNED_OUT_EVERYWHERE, by=by)
    _unlink(session, who, now)
    end_for(session, who.contact_indexes, now)
    rows = sum(_deleted(session, one.table, who) for one in HOLDINGS if one.on_erase is OnErase.DELETE)
    session.execute(update(AppUser).where(AppUser.id == user_id).values(state=UserState.ERASED.value))
    vault.destroy(session, owner_of(user_id), now)
    return Erased(rows, lapsed, left)


def _lapse(session: Session, ledger: Ledger, driver_id: UUID, now: datetime) -> int:
    """Post what is left of a driver's lots to breakage; what cannot go now stays. Return how much went."""
    lapsed = 0
    for lot in open_lots(session, f"driver:{driver_id}:nova"):
        due = DueLot(lot.id, driver_id, lot.created_by, lot.remaining)
        if ledger.post(session, expiry(due, effective_at=now, actor=ACTOR)).ok:
            lapsed += lot.remaining
    return lapsed


def _unlink(session: Session, who: Subject, now: datetime) -> None:
    """Leave the drivers as numbers: nothing leads from a person to them, and no raw message is kept."""
    theirs = select(ChargingSession.id).where(ChargingSession.driver_id.in_(who.driver_ids))
    session.execute(
        update(SessionEvidence).where(SessionEvidence.session_id.in_(theirs)).values(body={}),
        execution_options={"synchronize_session": False},
    )
    retire(session, OwnerKind.DRIVER, who.driver_ids, now)
    let_go(session, who.driver_ids, now)
    pass_changes.void(session, who.driver_ids, now)
    for driver_id in who.driver_ids:
        session.execute(update(Driver).where(Driver.id == driver_id).values(reference=f"erased:{driver_id}"))


def _deleted(session: Session, name: str, who: Subject) -> int:
    table = Base.metadata.tables[name]
    found = next(one for one in HOLDINGS if one.table == name)
    gone = session.execute(
        delete(table).where(found.mine(table.c, who)).returning(*table.primary_key.columns)
    )
    return len(gone.all())


def _balances(session: Session, who: Subject) -> list[AccountBalance]:
    found = []
    for code in who.account_codes:
        try:
            found.append(balance_now(session, code))
        except UnknownAccount:  # A driver who never had an account has no points.
            continue
    return found
