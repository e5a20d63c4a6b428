"""Puts the watch over the books together: every check there is, and who stops money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.audit.entries import ActorKind
from nerava.audit.switching import Operator, Switching
from nerava.kernel.switch_names import MONEY_ALL
from nerava.ledger.watching import Watching
from nerava.web.checks import CHECKS
from nerava.web.queues import late_work

if TYPE_CHECKING:
    from datetime import datetime

    from nerava.audit import AuditLog
    from nerava.ledger.switches import SwitchBoard
    from nerava.platform.db import Database


def watching_of(database: Database, log: AuditLog, board: SwitchBoard) -> Watching:
    """Return what watches over the books; a broken invariant of the ledger stops all money."""
    switching = Switching(database, log, board)

    def stop(why: str, now: datetime) -> None:
        switching.turn_on(MONEY_ALL, by=Operator("watch", ActorKind.SYSTEM), reason=why, now=now)

    return Watching(database, CHECKS, late_work, stop)
