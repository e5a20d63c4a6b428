"""Codes that nobody took in time: the job that gives their points back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.kernel.switch_names import MONEY_ALL, READONLY
from nerava.ledger import Status
from nerava.ledger.switches import require_off
from nerava.ledger.templates.redemption import redemption_expire
from nerava.merchants import stock
from nerava.merchants.model import Redemption
from nerava.merchants.queries import RedemptionState
from nerava.merchants.stock import Piece
from nerava.platform.db.bulk import BulkUpdate

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger

ACTOR: Final = "redemptions"
LATER: Final = timedelta(minutes=1)
"""When a code is looked at again that a kill switch stops, or that another clock holds for good."""

_T: Final[Any] = Redemption.__table__
_END: Final = BulkUpdate(_T, match=("id", "state"), assign=("state", "ended_at"))
_WAIT: Final = BulkUpdate(_T, match=("id", "state"), assign=("due_at",))


def expire_due(session: Session, ledger: Ledger, now: datetime, limit: int = 500) -> int:
    """Expire up to `limit` codes that ran out, in the caller's unit of work; return how many were due.

    The ledger decides and the rows follow, so one that a register takes at the same instant is
    either taken or expired. Safe to repeat and to run beside other workers: nothing is locked before
    the ledger's accounts, as in every group commit.

    Raises:
        SwitchedOff: Nothing moves for now; the codes wait (503).
    """
    require_off(session, MONEY_ALL, READONLY)
    held = RedemptionState.HELD.value
    query = select(_T.c.id, _T.c.offer_id, _T.c.local_date).where(_T.c.state == held, _T.c.due_at <= now)
    rows = session.execute(query.order_by(_T.c.due_at, _T.c.id).limit(limit)).all()
    chains = [redemption_expire(redemption_id=row.id, actor=ACTOR) for row in rows]
    verdicts = ledger.post_many(session, chains)
    posted = [row for row, one in zip(rows, verdicts, strict=True) if one.status is Status.POSTED]
    waiting = [
        row
        for row, one in zip(rows, verdicts, strict=True)
        if one.status in (Status.SWITCHED_OFF, Status.HOLD_NOT_DUE)
    ]
    _END.run(session, [(row.id, held, RedemptionState.EXPIRED.value, now) for row in posted])
    _WAIT.run(session, [(row.id, held, now + LATER) for row in waiting])
    stock.give_back(session, (Piece(row.offer_id, row.local_date) for row in posted))
    return len(rows)
