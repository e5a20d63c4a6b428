"""What can be read off the ledger at a glance: how points are covered, what waits, what is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, select

from nerava.ledger import model
from nerava.ledger.alarm_store import alarm, watch
from nerava.ledger.chart import NOVA_ISSUANCE, NOVA_RESERVE
from nerava.ledger.reads import balances_now

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

COUNTED_MAX: Final = 10_000
CHAIN_BREAKS: Final = (
    "account-kind",
    "account-name",
    "anchor-differs",
    "batch-empty",
    "batch-hash",
    "batch-missing",
    "batch-unlinked",
    "block-batch",
    "block-hash",
    "block-link",
    "lot-orphan",
    "row-digest",
    "seal-differs",
    "tail-cut",
    "use-orphan",
)
"""What `verify` may find, by name."""

_A: Final = alarm.c
_W: Final[Any] = watch.c


class Backing(NamedTuple):
    """What points stand on.

    Attributes:
        reserve_minor: Cash behind them, in minor units.
        circulation: Points that exist.
        issued: Points that were ever made, and `burnt` those unmade.
    """

    reserve_minor: int
    circulation: int
    issued: int
    burnt: int


class Waiting(NamedTuple):
    """Things that wait: how many, counted up to 10,000, and since when the oldest of them."""

    number: int
    since: datetime | None


def backing(session: Session) -> Backing:
    """Return what points stand on now; zeros before anything was posted."""
    found = balances_now(session, [NOVA_RESERVE, NOVA_ISSUANCE])
    reserve, issuance = found.get(NOVA_RESERVE), found.get(NOVA_ISSUANCE)
    issued = 0 if issuance is None else issuance.debits_posted
    burnt = 0 if issuance is None else issuance.credits_posted
    return Backing(0 if reserve is None else reserve.posted, issued - burnt, issued, burnt)


def unsealed(session: Session) -> Waiting:
    """Return how many batches are not in the hash chain yet, and since when."""
    waiting = model.unsealed.c
    some = select(waiting.batch_id).limit(COUNTED_MAX).subquery()
    number = session.scalar(select(func.count()).select_from(some)) or 0
    # Ids of batches begin with the instant they were made at.
    oldest = select(waiting.batch_id).order_by(waiting.batch_id).limit(1).scalar_subquery()
    since = session.scalar(select(model.batch.c.posted_at).where(model.batch.c.id == oldest))
    return Waiting(number, since)


def breaks(session: Session) -> dict[str, int]:
    """Return how many alarms ring, by what they are about; what is in order is missing."""
    query = select(_A.name, func.count().label("number")).where(_A.over_at.is_(None)).group_by(_A.name)
    return {row.name: row.number for row in session.execute(query)}


def looks(session: Session) -> dict[str, datetime]:
    """Return when the watch over the books last looked, by what it looked at."""
    return {row.scope: row.looked_at for row in session.execute(select(_W.scope, _W.looked_at))}
