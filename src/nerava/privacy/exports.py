"""Copies of one's own data: asked for, made by a worker, sealed, fetched for a day, and wiped."""

from __future__ import annotations

import logging
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, update

from nerava.audit import ActorKind, Entry, Result
from nerava.identity.user_store import owner_of
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.platform.db.errors import DatabaseError
from nerava.platform.limit_numbers import EXPORT
from nerava.platform.problem import NotFound
from nerava.platform.vault import Place
from nerava.privacy.archive import copy_of
from nerava.privacy.model import ExportJob, ExportState

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.identity.acting import Actor
    from nerava.platform.client_address import Client
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits
    from nerava.platform.vault import Vault

log = logging.getLogger(__name__)

KEPT: Final = timedelta(hours=24)
"""How long a copy can be fetched after it was made."""

ACTOR: Final = "exports"


class ExportNotReady(NeravaError):
    """The copy is not made yet."""

    code = "export-not-ready"
    status = HTTPStatus.CONFLICT
    title = "The copy is still being made"
    outcome = "not_executed"
    retry_after_s = 5


class ExportGone(NeravaError):
    """The copy was wiped, or could not be made."""

    code = "export-gone"
    status = HTTPStatus.GONE
    title = "The copy is not there any more; ask for another"


class Exports:
    """Makes copies of people's own data. Safe to share between threads and processes."""

    def __init__(self, database: Database, vault: Vault, limits: Limits, audit: AuditLog) -> None:
        self._database = database
        self._vault = vault
        self._limits = limits
        self._audit = audit

    def ask(self, actor: Actor, place: Client, now: datetime) -> ExportJob:
        """Ask for a copy; while one is waiting, that one is returned, so it repeats safely.

        Raises:
            RateLimited: There was one within 24 hours (429).
        """
        return self._database.run(lambda session: self._ask(session, actor, place, now))

    def of(self, session: Session, user_id: UUID, export_id: UUID) -> ExportJob:
        """Return a copy of this user's.

        Raises:
            NotFound: This user asked for no such copy (404).
        """
        own = select(ExportJob).where(ExportJob.id == export_id, ExportJob.user_id == user_id)
        found = session.scalars(own).one_or_none()
        if found is None:
            raise NotFound
        return found

    def fetch(self, actor: Actor, export_id: UUID, now: datetime) -> bytes:
        """Return the zip file of a copy, and write down that it was fetched.

        Raises:
            NotFound: This user asked for no such copy (404).
            ExportNotReady: It is not made yet (409).
            ExportGone: Its time is over (410).
            KeyDestroyed: The user was erased (410).
        """
        return self._database.run(lambda session: self._fetch(session, actor, export_id, now))

    def make(self, now: datetime) -> int:
        """Make the copy that waits longest, and wipe those whose time is over; return how many it were.

        It is read on one snapshot and written later, so nobody waits for it; killed in between, it
        is made again.
        """
        waiting = select(ExportJob.id, ExportJob.user_id).where(ExportJob.state == ExportState.WAITING.value)
        row = self._database.read(
            lambda session: session.execute(waiting.order_by(ExportJob.id).limit(1)).one_or_none()
        )
        if row is not None:
            self._make(row.id, row.user_id, now)
        wiped = self._database.run(lambda session: wipe(session, now), repeatable=True)
        return wiped + (row is not None)

    def _ask(self, session: Session, actor: Actor, place: Client, now: datetime) -> ExportJob:
        waiting = select(ExportJob).where(
            ExportJob.user_id == actor.subject, ExportJob.state == ExportState.WAITING.value
        )
        found = session.scalars(waiting).first()
        if found is not None:
            return found
        self._limits.hit(session, EXPORT.keyed(identity=f"user:{actor.subject}", client=place), now)
        job = ExportJob(id=new_id(), user_id=actor.subject, state=ExportState.WAITING.value, asked_at=now)
        session.add(job)
        self._audit.record(session, actor.entry("export.ask", "export_job", job.id), now)
        session.flush()
        return job

    def _fetch(self, session: Session, actor: Actor, export_id: UUID, now: datetime) -> bytes:
        job = self.of(session, actor.subject, export_id)
        if job.state == ExportState.WAITING.value:
            raise ExportNotReady
        if job.sealed is None or job.expires_at is None or job.expires_at <= now:
            raise ExportGone
        self._audit.record(session, actor.entry("export.fetch", "export_job", job.id), now)
        return self._vault.decrypt(session, owner_of(job.user_id), _place(job.id), job.sealed)

    def _make(self, job_id: UUID, user_id: UUID, now: datetime) -> None:
        body = None
        try:
            body = self._database.read(
                lambda session: copy_of(session, self._vault, user_id, now), patient=True
            )
        except DatabaseError:
            raise  # It can be made as soon as the database is there again.
        except NeravaError as error:
            # The others must not wait for one that cannot be made; its owner may ask again.
            log.warning("copy %s cannot be made: %s", job_id, error.code)
        self._database.run(lambda session: self._store(session, job_id, user_id, body, now))

    def _store(
        self, session: Session, job_id: UUID, user_id: UUID, body: bytes | None, now: datetime
    ) -> None:
        sealed = None
        if body is not None:
            sealed = self._vault.encrypt(session, owner_of(user_id), _place(job_id), body, now)
        state = ExportState.FAILED if sealed is None else ExportState.READY
        mine = ExportJob.id == job_id, ExportJob.state == ExportState.WAITING.value
        made = session.execute(
            update(ExportJob)
            .where(*mine)
            .values(
                state=state.value,
                made_at=now,
                expires_at=now + KEPT,
                size=None if body is None else len(body),
                sealed=sealed,
            )
            .returning(ExportJob.id)
        )
        if made.first() is not None:
            result = Result.OK if sealed is not None else Result.FAILED
            entry = Entry(ActorKind.SYSTEM, ACTOR, "export.make", "export_job", str(job_id), result)
            self._audit.record(session, entry, now)


def wipe(session: Session, now: datetime) -> int:
    """Wipe the copies whose time is over and return how many. Repeats safely."""
    over = ExportJob.state == ExportState.READY.value, ExportJob.expires_at <= now
    gone = session.execute(
        update(ExportJob)
        .where(*over)
        .values(state=ExportState.GONE.value, sealed=None)
        .returning(ExportJob.id)
    )
    return len(gone.all())


def _place(job_id: UUID) -> Place:
    return Place("export_job", "sealed", job_id)
