"""Retention: how long each kind of data is kept, and the daily job that removes what is older."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, case, delete, func, not_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nerava.charging.model import ChargingSession, SessionEvidence
from nerava.charging.states import SessionState
from nerava.charging.telemetry_store import ChargerStatus, VehicleCharge
from nerava.drivers.nobody import NOBODY, let_nobody_be
from nerava.identity.access_store import Invite
from nerava.identity.challenge_store import SignInChallenge
from nerava.identity.message_store import MessageJob
from nerava.privacy import unlinking
from nerava.privacy.holds import held_contact, held_session, held_user, take_turn
from nerava.privacy.model import Erasure, ErasureState, ExportJob, ExportState, RetentionRun
from nerava.rewards.model import RewardGrant
from nerava.roaming.model import Module, ObjectState, RoamingObject
from nerava.tills.model import TillMatch, TillOrder, TillRefund, TillWay
from nerava.vehicles.model import VehicleConnect

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

Fields = dict[str, Any]

log = logging.getLogger(__name__)

BATCH: Final = 5_000
_WEEK: Final = timedelta(days=7)
_MONTH: Final = timedelta(days=30)
_YEAR: Final = timedelta(days=365)
KEPT: Final = 3 * _YEAR
"""How long a session is its driver's."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How long one kind of data is kept.

    Attributes:
        name: As it appears in the report.
        table: The mapped class of the rows.
        kept: Age from which on they go.
        aged: The column that tells their age.
        among: Which rows it concerns, beyond their age.
        becomes: What is written over them; None where the rows are deleted.
        held: Which of them a legal hold keeps.
    """

    name: str
    table: Any
    kept: timedelta
    aged: Any
    among: tuple[ColumnElement[bool], ...] = ()
    becomes: Fields | None = None
    held: ColumnElement[bool] | None = None

    def over(self, now: datetime) -> tuple[ColumnElement[bool], ...]:
        """Return the condition of the rows whose time is over."""
        return (self.aged <= now - self.kept, *self.among)

    def due(self, now: datetime) -> tuple[ColumnElement[bool], ...]:
        """Return the condition of the rows whose time is over and that no legal hold keeps."""
        return self.over(now) if self.held is None else (*self.over(now), not_(self.held))


_DECIDED: Final = [SessionState.VERIFIED.value, SessionState.REJECTED.value]

RULES: Final = (
    Rule(
        "sign-in challenges",
        SignInChallenge,
        _WEEK,
        SignInChallenge.created_at,
        held=held_contact(SignInChallenge.contact_ix),
    ),
    Rule("messages", MessageJob, _WEEK, MessageJob.created_at, held=held_contact(MessageJob.contact_ix)),
    Rule(
        "invitations",
        Invite,
        _YEAR,
        Invite.made_at,
        held=or_(held_user(Invite.made_by), held_user(func.coalesce(Invite.used_by, Invite.made_by))),
    ),
    Rule(
        "raw evidence",
        SessionEvidence,
        timedelta(days=90),
        SessionEvidence.received_at,
        (SessionEvidence.id.in_(select(SessionEvidence.id).where(SessionEvidence.body != {})),),
        {"body": {}},
        held_session(SessionEvidence.session_id),
    ),
    Rule(
        "what charging networks told of sessions",
        RoamingObject,
        timedelta(days=90),
        RoamingObject.received_at,
        (
            RoamingObject.module.in_([Module.SESSIONS.value, Module.CDRS.value]),
            RoamingObject.state != ObjectState.WAITING.value,
            RoamingObject.body != "",
        ),
        {"body": "", "driver_id": None},
        RoamingObject.session_id.is_not(None) & held_session(RoamingObject.session_id),
    ),
    Rule(
        "session summaries",
        ChargingSession,
        KEPT,
        # What was recorded years ago and is told only now is told so that its driver can read it.
        case(
            (ChargingSession.created_at > ChargingSession.ended_at, ChargingSession.created_at),
            else_=ChargingSession.ended_at,
        ),
        (
            ChargingSession.driver_id != NOBODY,
            ChargingSession.state.in_(_DECIDED),
            ChargingSession.id.not_in(
                select(RewardGrant.session_id).where(RewardGrant.state == "provisional")
            ),
        ),
        {"driver_id": NOBODY},
        held_session(ChargingSession.id),
    ),
    Rule(
        "copies of people's data",
        ExportJob,
        _YEAR,
        ExportJob.asked_at,
        (ExportJob.state.in_([ExportState.GONE.value, ExportState.FAILED.value]),),
        held=held_user(ExportJob.user_id),
    ),
    Rule(
        "ways to a car",
        VehicleConnect,
        _WEEK,
        VehicleConnect.created_at,
        (VehicleConnect.next_at.is_(None),),
        held=held_user(VehicleConnect.user_id),
    ),
    Rule("ways to a point of sale", TillWay, _WEEK, TillWay.created_at, held=held_user(TillWay.user_id)),
    # Before the refunds of such orders: an order that has some goes a day after them.
    Rule(
        "orders at tills that prove nothing",
        TillOrder,
        _MONTH,
        TillOrder.told_at,
        (
            TillOrder.next_at.is_(None),
            TillOrder.id.not_in(select(TillMatch.order_id)),
            TillOrder.id.not_in(select(TillRefund.order_id)),
        ),
    ),
    Rule(
        "refunds at tills of orders that prove nothing",
        TillRefund,
        _MONTH,
        TillRefund.told_at,
        (TillRefund.next_at.is_(None), TillRefund.order_id.not_in(select(TillMatch.order_id))),
    ),
    Rule("states of chargers", ChargerStatus, timedelta(days=90), ChargerStatus.at),
    Rule(
        "charges as cars told them",
        VehicleCharge,
        timedelta(days=90),
        VehicleCharge.ended_at,
        (VehicleCharge.id.in_(select(VehicleCharge.id).where(VehicleCharge.samples != [])),),
        {"samples": []},
        held_session(func.coalesce(VehicleCharge.session_id, VehicleCharge.id)),
    ),
    Rule(
        "erasures that were undone",
        Erasure,
        _YEAR,
        Erasure.ended_at,
        (Erasure.state == ErasureState.UNDONE.value,),
        held=held_user(Erasure.user_id),
    ),
)
"""What must not grow old. Idempotent answers, limits and sign-in sessions have jobs of their own."""


def due_rows(session: Session, now: datetime) -> dict[str, int]:
    """Return how many rows each rule would remove now; changes nothing."""
    return {rule.name: _count(session, rule, *rule.due(now)) for rule in RULES}


def held_rows(session: Session, now: datetime) -> dict[str, int]:
    """Return how many rows, by rule, are kept by legal holds alone; rules without any are left out."""
    found = {
        rule.name: _count(session, rule, *rule.over(now), rule.held)
        for rule in RULES
        if rule.held is not None
    }
    return {name: count for name, count in found.items() if count}


def _count(session: Session, rule: Rule, *wanted: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(rule.table).where(*wanted)) or 0


class Retention:
    """Removes what is too old, once a day. Safe to share between threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, now: datetime) -> int:
        """Remove what is too old unless today's run is finished; return how many rows it were.

        In pieces of at most 5,000 rows, each its own transaction. Killed in between, it goes on.
        What a legal hold keeps stays, and the run says how much that is.
        """
        period = now.date().isoformat()
        if self._database.read(lambda session: session.get(RetentionRun, period)) is not None:
            return 0
        removed = {rule.name: self._apply(rule, now) for rule in RULES}
        caps = self._database.run(lambda session: unlinking.forget_caps(session, now, before=now - KEPT))
        if caps:
            removed[unlinking.CAPS] = caps
        held = self._database.read(lambda session: held_rows(session, now), patient=True)
        log.info("retention of %s removed %s, legal holds kept %s", period, removed, held)
        row = {"period": period, "finished_at": now, "removed": removed, "held": held}
        self._database.run(lambda session: _finish(session, row), repeatable=True)
        return sum(removed.values())

    def rehearse(self, now: datetime) -> dict[str, int]:
        """Return how many rows each rule would remove now; changes nothing."""
        return self._database.read(lambda session: due_rows(session, now), patient=True)

    def _apply(self, rule: Rule, now: datetime) -> int:
        total = 0
        while done := self._database.run(lambda session: _some(session, rule, now)):
            total += done
        return total


def _some(session: Session, rule: Rule, now: datetime) -> int:
    """Remove a piece of what a rule removes and return how many rows it was."""
    take_turn(session)
    if rule.table is ChargingSession:
        let_nobody_be(session, now)
    some = select(rule.table.id).where(*rule.due(now)).limit(BATCH)
    change = delete(rule.table) if rule.becomes is None else update(rule.table).values(rule.becomes)
    statement = change.where(rule.table.id.in_(some)).returning(rule.table.id)
    gone = session.execute(statement, execution_options={"synchronize_session": False}).all()
    if rule.table is ChargingSession:
        unlinking.unlink_grants(session, [row.id for row in gone])
    return len(gone)


def _finish(session: Session, row: Fields) -> None:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(RetentionRun).values(row).on_conflict_do_nothing())
