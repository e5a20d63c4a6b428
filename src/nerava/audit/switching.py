"""Kill switches as people use them: each step with its entry in the audit log, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from nerava.audit.entries import ActorKind, Entry, Result
from nerava.kernel.switch_names import checked_name
from nerava.ledger import switches
from nerava.ledger.switches import SelfApproval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.audit.service import AuditLog
    from nerava.ledger.switches import Release, SwitchBoard
    from nerava.platform.db import Database

Answer = TypeVar("Answer")

KIND: Final = "kill_switch"


@dataclass(frozen=True, slots=True)
class Operator:
    """Who works a switch, and from where.

    Attributes:
        id: An opaque id; the four eyes are those of two different ids.
    """

    id: str
    kind: ActorKind = ActorKind.OPS
    role: str | None = None
    session_id: UUID | None = None
    request_id: str | None = None
    client_kind: str | None = None


class Switching:
    """Turns switches on and off. Works while the installation is read-only. Safe to share between threads."""

    def __init__(self, database: Database, log: AuditLog, board: SwitchBoard) -> None:
        self._database = database
        self._log = log
        self._board = board

    def turn_on(self, name: str, *, by: Operator, reason: str, now: datetime) -> bool:
        """Stop what the switch stops and return whether it was off before. Repeats safely.

        Raises:
            UnknownSwitch: It would stop nothing (404).
        """

        def unit(session: Session) -> bool:
            changed = switches.turn_on(session, name, by=by.id, reason=reason, now=now)
            self._log.record(session, _entry(by, "switch.on", name, reason), now)
            return changed

        return self._done(unit)

    def ask_release(self, name: str, *, by: Operator, reason: str, now: datetime) -> Release:
        """Ask to end a stop and return the request that a second person has to approve. Repeats safely.

        Raises:
            NotSwitchedOff: It is not on (409).
        """

        def unit(session: Session) -> Release:
            asked = switches.ask_release(session, name, by=by.id, reason=reason, now=now)
            self._log.record(session, _entry(by, "switch.release_asked", name, reason), now)
            return asked

        return self._done(unit)

    def approve_release(self, release_id: UUID, *, by: Operator, now: datetime) -> Release:
        """End a stop that somebody else asked to end, and return the request. Repeats safely.

        An attempt to approve one's own request is written down too.

        Raises:
            UnknownRelease: There is no such request, or a new stop or another person was faster (404).
            SelfApproval: It is the caller's own (403).
        """

        def unit(session: Session) -> Release:
            ended = switches.approve_release(session, release_id, by=by.id, now=now)
            self._log.record(session, _entry(by, "switch.off", ended.name, ended.reason), now)
            return ended

        try:
            return self._done(unit)
        except SelfApproval:
            denied = _entry(by, "switch.off", str(release_id), "own request", result=Result.DENIED)
            self._database.run(lambda session: self._log.record(session, denied, now), essential=True)
            raise

    def apply_at_start(self, names: Iterable[str], now: datetime) -> None:
        """Turn on what the environment says must be stopped; never turns anything off. Repeats safely.

        Raises:
            UnknownSwitch: One of them would stop nothing (404).
        """
        wanted = [checked_name(name) for name in names]
        on = self._board.on() if wanted else frozenset()
        starter = Operator("start", ActorKind.SYSTEM)
        for name in wanted:
            if name not in on:
                self.turn_on(name, by=starter, reason="NERAVA_STOP", now=now)

    def _done(self, unit: Callable[[Session], Answer]) -> Answer:
        answer = self._database.run(unit, repeatable=True, essential=True)
        self._board.forget()
        return answer


def _entry(by: Operator, action: str, name: str, reason: str, *, result: Result = Result.OK) -> Entry:
    return Entry(
        by.kind,
        by.id,
        action,
        KIND,
        name,
        result=result,
        reason=reason,
        role=by.role,
        session_id=by.session_id,
        request_id=by.request_id,
        client_kind=by.client_kind,
    )
