"""A sponsor whose payment is disputed is stopped: what it has is not put to use until that is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, or_, select

from nerava.audit.entries import ActorKind, Entry
from nerava.audit.service import record
from nerava.rewards.checkout_store import SponsorCheckout
from nerava.rewards.dispute_store import STANDS, DisputeState, SponsorDispute
from nerava.rewards.errors import SponsorStopped
from nerava.rewards.model import Campaign, Sponsor

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

ACTOR: Final = "disputes"
_D: Final[Any] = SponsorDispute
_C: Final[Any] = SponsorCheckout
_CAMPAIGN: Final[Any] = Campaign
_STANDING: Final = tuple(one.value for one in STANDS)

STOPPING: Final[ColumnElement[bool]] = and_(_D.state.in_(_STANDING), _D.lifted_at.is_(None))
"""Disputes that stop their sponsor."""

WAITS_FOR_A_PERSON: Final[ColumnElement[bool]] = and_(
    _D.lifted_at.is_(None),
    or_(_D.state.in_([DisputeState.TOLD.value, *_STANDING]), _D.trouble.is_not(None)),
)
"""Disputes that somebody of ops should know of."""


def stops(row: SponsorDispute) -> bool:
    """Return whether a dispute stops a sponsor."""
    return row.sponsor_id is not None and row.state in _STANDING and row.lifted_at is None


def stopped_since(session: Session, sponsor_id: UUID) -> datetime | None:
    """Return since when a sponsor is stopped; None when it is not."""
    found: datetime | None = session.scalar(
        select(func.min(_D.told_at)).where(_D.sponsor_id == sponsor_id, STOPPING)
    )
    return found


def refuse_if_stopped(session: Session, sponsor_id: UUID) -> None:
    """Go on only if the sponsor is not stopped; it will not be before the caller's unit of work has ended.

    Raises:
        SponsorStopped: It is (409).
    """
    # Whoever stops it waits for this, and this for whoever is stopping it.
    session.execute(select(Sponsor.id).where(Sponsor.id == sponsor_id).with_for_update(read=True))
    since = stopped_since(session, sponsor_id)
    if since is not None:
        raise SponsorStopped(
            f"a payment is disputed since {since:%Y-%m-%d %H:%M} UTC; this is possible again when that "
            "is decided for the payment, or when ops lifts the stop",
            stopped_since=since.isoformat(),
        )


def follow(session: Session, row: SponsorDispute, now: datetime, *, was_stopping: bool) -> None:
    """Let a sponsor stop, or go on, by what has become of a dispute; in the audit log too.

    Active campaigns are paused with the stop. They stay so when it ends: their sponsor activates
    them, or does not. No driver loses points, and what is held is still settled.
    """
    if row.sponsor_id is None:
        return
    lock_sponsor(session, row.sponsor_id)
    session.flush()
    _mark(session, row, now)
    if stops(row) == was_stopping:
        return
    paused = 0
    if stops(row):
        active = (_CAMPAIGN.sponsor_id == row.sponsor_id) & (_CAMPAIGN.state == "active")
        for campaign in session.scalars(select(Campaign).where(active).with_for_update(key_share=True)):
            campaign.state = "paused"
            paused += 1
    told = Entry(
        actor_kind=ActorKind.SYSTEM,
        actor_id=ACTOR,
        action="sponsor.stopped" if stops(row) else "sponsor.stop_over",
        object_kind="sponsor_dispute",
        object_id=str(row.id),
        tenant_id=row.sponsor_id,
        after={"state": row.state, "campaigns_paused": paused},
    )
    record(session, told, now)


def lock_sponsor(session: Session, sponsor_id: UUID) -> None:
    """Let changes to what a sponsor may do wait for each other until the caller's unit of work ends."""
    session.execute(select(Sponsor.id).where(Sponsor.id == sponsor_id).with_for_update(key_share=True))


def _mark(session: Session, row: SponsorDispute, now: datetime) -> None:
    """Keep a payment from being refunded while one of its disputes stands, lifted or not."""
    standing = select(_D.id).where(_D.checkout_id == row.checkout_id, _D.state.in_(_STANDING)).limit(1)
    is_disputed = session.scalar(standing) is not None
    checkout = session.scalars(select(SponsorCheckout).where(_C.id == row.checkout_id)).one()
    if is_disputed != (checkout.disputed_at is not None):
        checkout.disputed_at = now if is_disputed else None
