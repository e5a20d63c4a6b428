"""What providers tell about payouts: hints that something is worth reading, and never more than that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import or_, select, update

from nerava.inbound.events import Handled
from nerava.payouts.model import Payout, PayoutMethod
from nerava.payouts.states import MethodState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from nerava.inbound.events import Handler, ProviderEvent
    from nerava.platform.db import Database


def payout_handlers(database: Database) -> Mapping[str, Handler]:
    """Return who works on which events, by the beginning of their kind."""

    def on_payout(event: ProviderEvent, now: datetime) -> Handled:
        return database.run(lambda session: _payout_told(session, event, now))

    def on_transfer(event: ProviderEvent, now: datetime) -> Handled:
        return database.run(lambda session: _transfer_told(session, event, now))

    def on_account(event: ProviderEvent, now: datetime) -> Handled:
        return database.run(lambda session: _account_told(session, event, now))

    def on_farewell(event: ProviderEvent, now: datetime) -> Handled:
        return database.run(lambda session: _access_taken(session, event, now))

    return {
        "payout.": on_payout,
        "transfer.": on_transfer,
        "account.": on_account,
        "capability.": on_account,
        "account.application.deauthorized": on_farewell,
    }


def _payout_told(session: Session, event: ProviderEvent, now: datetime) -> Handled:
    """A recipient's account pays to its bank; our own account's payouts are not ours to follow here."""
    if not event.account:
        return Handled.IGNORED
    theirs = (Payout.provider == event.provider) & (Payout.account == event.account)
    if _hurry(session, theirs & (Payout.bank_payout_id == event.object_id), now):
        return Handled.DONE
    # Its name may not have reached us yet: the answer with it is on its way, or was lost.
    if _hurry(session, theirs & Payout.bank_payout_id.is_(None), now):
        return Handled.DONE
    return Handled.DONE if _is_known(session, event) else Handled.LATER


def _transfer_told(session: Session, event: ProviderEvent, now: datetime) -> Handled:
    group = _group_of(event.body)
    mine = [Payout.transfer_id == event.object_id]
    if group is not None:
        mine.append(Payout.id == group)
    found = (Payout.provider == event.provider) & or_(*mine)
    if session.scalar(select(Payout.id).where(found).limit(1)) is None:
        # A group of ours that is not known yet is a commit that was overtaken.
        return Handled.IGNORED if group is None else Handled.LATER
    _hurry(session, found, now)
    return Handled.DONE


def _account_told(session: Session, event: ProviderEvent, now: datetime) -> Handled:
    known = update(PayoutMethod).where(_method_of(event), PayoutMethod.state != MethodState.REMOVED.value)
    if session.execute(known.values(next_at=now).returning(PayoutMethod.id)).first() is not None:
        return Handled.DONE
    return Handled.DONE if _is_known(session, event) else Handled.LATER


def _access_taken(session: Session, event: ProviderEvent, now: datetime) -> Handled:
    """Pay nothing more to an account that has left us, until reading it says otherwise."""
    ready = update(PayoutMethod).where(_method_of(event), PayoutMethod.state == MethodState.READY.value)
    session.execute(ready.values(state=MethodState.BLOCKED.value, next_at=now))
    return Handled.DONE if _is_known(session, event) else Handled.LATER


def _hurry(session: Session, mine: ColumnElement[bool], now: datetime) -> bool:
    """Have payouts that are under way looked at at once; return whether there were any.

    Their version stays as it is: a hint must not make a worker drop what it has just learned.
    """
    due = update(Payout).where(mine, Payout.next_at.is_not(None)).values(next_at=now).returning(Payout.id)
    return session.execute(due).first() is not None


def _method_of(event: ProviderEvent) -> ColumnElement[bool]:
    account = event.account or event.object_id
    return (PayoutMethod.provider == event.provider) & (PayoutMethod.account == account)


def _is_known(session: Session, event: ProviderEvent) -> bool:
    return session.scalar(select(PayoutMethod.id).where(_method_of(event)).limit(1)) is not None


def _group_of(body: Mapping[str, Any]) -> UUID | None:
    """Return the payout that an event's object says it belongs to."""
    told: Any = body
    for name in ("data", "object", "transfer_group"):
        told = told.get(name) if isinstance(told, dict) else None
    try:
        return UUID(told) if isinstance(told, str) else None
    except ValueError:
        return None
