"""Retention: how long each kind of data is kept, and the daily job that removes what is older."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nerava.charging.model import ChargingSession, SessionEvidence
from nerava.charging.states import SessionState
from nerava.drivers.model import Driver
from nerava.identity.access_store import Invite
from nerava.identity.challenge_store import SignInChallenge
from nerava.identity.message_store import MessageJob
from nerava.kernel.ids import fact_id
from nerava.privacy.model import Erasure, ErasureState, ExportJob, ExportState, RetentionRun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

Fields = dict[str, Any]

log = logging.getLogger(__name__)

UNLINKED: Final = "unlinked"
"""Reference of the driver whom old sessions belong to: nobody."""

BATCH: Final = 5_000
_WEEK: Final = timedelta(days=7)
_YEAR: Final = timedelta(days=365)


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
    """

    name: str
    table: Any
    kept: timedelta
    aged: Any
    among: tuple[ColumnElement[bool], ...] = ()
    becomes: Fields | None = None

    def due(self, now: datetime) -> tuple[ColumnElement[bool], ...]:
        """Return the condition of the rows whose time is over."""
        return (self.aged <= now - self.kept, *self.among)


NOBODY: Final = fact_id(f"driver:{UNLINKED}")
_DECIDED: Final = [SessionState.VERIFIED.value, SessionState.REJECTED.value]

RULES: Final = (
    Rule("sign-in challenges", SignInChallenge, _WEEK, SignInChallenge.created_at),
    Rule("messages", MessageJob, _WEEK, MessageJob.created_at),
    Rule("invitations", Invite, _YEAR, Invite.made_at),
    Rule(
        "raw evidence",
        SessionEvidence,
        timedelta(days=90),
        SessionEvidence.received_at,
        (SessionEvidence.id.in_(select(SessionEvidence.id).where(SessionEvidence.body != {})),),
        {"body": {}},
    ),
    Rule(
        "session summaries",
        ChargingSession,
        3 * _YEAR,
        ChargingSession.ended_at,
        (ChargingSession.driver_id != NOBODY, ChargingSession.state.in_(_DECIDED)),
        {"driver_id": NOBODY},
    ),
    Rule(
        "copies of people's data",
        ExportJob,
        _YEAR,
        ExportJob.asked_at,
        (ExportJob.state.in_([ExportState.GONE.value, ExportState.FAILED.value]),),
    ),
    Rule(
        "erasures that were undone",
        Erasure,
        _YEAR,
        Erasure.ended_at,
        (Erasure.state == ErasureState.UNDONE.value,),
    ),
)
"""What must not grow old. Idempotent answers, limits and sign-in sessions have jobs of their own."""


def due_rows(session: Session, now: datetime) -> dict[str, int]:
    """Return how many rows each rule would remove now; changes nothing."""
    return {
        rule.name: session.scalar(select(func.count()).select_from(rule.table).where(*rule.due(now))) or 0
        for rule in RULES
    }


class Retention:
    """Removes what is too old, once a day. Safe to share between threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, now: datetime) -> int:
        """Remove what is too old unless today's run is finished; return how many rows it were.

        In pieces of at most 5,000 rows, each its own transaction. Killed in between, it goes on.
        """
        period = now.date().isoformat()
        if self._database.read(lambda session: session.get(RetentionRun, period)) is not None:
            return 0
        removed = {rule.name: self._apply(rule, now) for rule in RULES}
        log.info("retention of %s removed %s", period, removed)
        self._database.run(lambda session: _finish(session, period, removed, now), repeatable=True)
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
    if rule.table is ChargingSession:
        _let_nobody_be(session, now)
    some = select(rule.table.id).where(*rule.due(now)).limit(BATCH)
    change = delete(rule.table) if rule.becomes is None else update(rule.table).values(rule.becomes)
    statement = change.where(rule.table.id.in_(some)).returning(rule.table.id)
    return len(session.execute(statement, execution_options={"synchronize_session": False}).all())


def _let_nobody_be(session: Session, now: datetime) -> None:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {"id": NOBODY, "reference": UNLINKED, "created_at": now}
    session.execute(dialect.insert(Driver).values(row).on_conflict_do_nothing())


def _finish(session: Session, period: str, removed: Mapping[str, int], now: datetime) -> None:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {"period": period, "finished_at": now, "removed": dict(removed)}
    session.execute(dialect.insert(RetentionRun).values(row).on_conflict_do_nothing())
