"""Puts together who watches over the books and who proves them: every check there is, and who stops money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.audit.entries import ActorKind
from nerava.audit.switching import Operator, Switching
from nerava.kernel.switch_names import MONEY_ALL
from nerava.ledger.proving import BookProving
from nerava.ledger.watching import Watching
from nerava.web.checks import CHECKS
from nerava.web.queues import late_work

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from nerava.audit import AuditLog
    from nerava.ledger.switches import SwitchBoard
    from nerava.platform.db import Database


def watching_of(database: Database, log: AuditLog, board: SwitchBoard) -> Watching:
    """Return what watches over the books; a broken invariant of the ledger stops all money."""
    return Watching(database, CHECKS, late_work, _stopping(database, log, board))


def book_proving_of(database: Database, log: AuditLog, board: SwitchBoard) -> BookProving:
    """Return what proves the books from end to end; a broken invariant of the ledger stops all money."""
    return BookProving(database, CHECKS, _stopping(database, log, board))


def _stopping(database: Database, log: AuditLog, board: SwitchBoard) -> Callable[[str, datetime], None]:
    switching = Switching(database, log, board)

    def stop(why: str, now: datetime) -> None:
        switching.turn_on(MONEY_ALL, by=Operator("watch", ActorKind.SYSTEM), reason=why, now=now)

    return stop
