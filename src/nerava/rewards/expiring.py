"""Points whose time has come: the job that lets them expire, to the house or back to their campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import select

from nerava.kernel.switch_names import MONEY_ALL, READONLY
from nerava.ledger import Status
from nerava.ledger.lot_reads import origins, overdue_lots
from nerava.ledger.switches import require_off
from nerava.ledger.templates.expiry import DueLot, expiry
from nerava.platform.db.bulk import BulkInsert
from nerava.rewards.model import Campaign, RewardGrant
from nerava.rewards.return_store import RewardExpiry
from nerava.rewards.returns import returned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Ledger
    from nerava.ledger.lot_reads import OverdueLot
    from nerava.ledger.templates.session_reward import StandingGrant
    from nerava.platform.db import Database
    from nerava.rewards.returns import Returned

ACTOR: Final = "expiry"
CAMPAIGN: Final = "campaign"

_GRANT: Final[Any] = RewardGrant.__table__
_CAMPAIGN: Final[Any] = Campaign.__table__
_ROWS: Final = BulkInsert(
    RewardExpiry.__table__,  # type: ignore[arg-type]
    ("id", "grant_id", "points", "returned", "fee_returned", "transaction_key", "expired_at"),
)


class _Plan(NamedTuple):
    """How one lot is to expire, and where its money goes: to the campaign, or to the house if None."""

    lot: OverdueLot
    chain: Chain
    grant_id: UUID | None
    returns_to: StandingGrant | None


class Page(NamedTuple):
    """What became of one page of overdue lots.

    Attributes:
        expired: Points that expired.
        lots: How many lots that were.
        last: Where the next page begins; None when there is none.
    """

    expired: int
    lots: int
    last: tuple[datetime, UUID] | None


class Expiring:
    """Expires what is due, page by page. Several may run at once: the ledger lets each lot go once.

    What has expired is due no more, so a run that was killed goes on where it stopped. Lots that
    wait (a hold reserves their points) are passed over and looked at again in the next walk; where
    the walk stands is only remembered by this object.
    """

    def __init__(self, database: Database, ledger: Ledger, limit: int) -> None:
        self._database = database
        self._ledger = ledger
        self._limit = limit
        self._after: tuple[datetime, UUID] | None = None

    def run(self, now: datetime) -> int:
        """Expire one page and return how much there was to do; 0 ends the walk for now.

        Raises:
            SwitchedOff: Nothing moves for now; the lots wait (503).
        """
        after = self._after
        page = self._database.run(
            lambda session: expire_overdue(session, self._ledger, now, after=after, limit=self._limit),
            repeatable=True,
        )
        self._after = page.last
        return page.lots if page.last is None else max(1, page.lots)


def expire_overdue(
    session: Session,
    ledger: Ledger,
    now: datetime,
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 500,
) -> Page:
    """Let one page of overdue lots expire in the caller's unit of work.

    A lot whose points a hold reserves waits, as does one whose grant somebody else is busy with.

    Raises:
        SwitchedOff: Nothing moves for now (503).
    """
    require_off(session, MONEY_ALL, READONLY)
    lots = overdue_lots(session, now, after=after, limit=limit)
    last = (lots[-1].expires_at, lots[-1].id) if len(lots) == limit else None
    plans = _plans(session, [lot for lot in lots if lot.remaining <= lot.available])
    verdicts = ledger.post_many(session, [one.chain for one in plans])
    posted = [one for one, verdict in zip(plans, verdicts, strict=True) if verdict.status is Status.POSTED]
    _ROWS.run(session, [_row(one, now) for one in posted if one.grant_id is not None])
    return Page(sum(one.lot.remaining for one in posted), len(posted), last)


def _plans(session: Session, lots: Sequence[OverdueLot]) -> list[_Plan]:
    chains = origins(session, [one.id for one in lots if one.source.startswith("campaign:")])
    keys = set(chains.values())
    known = set(session.scalars(select(_GRANT.c.transaction_key).where(_GRANT.c.transaction_key.in_(keys))))
    # Whoever takes points back from these grants counts what is expired here, and the other way round.
    query = (
        select(_GRANT, _CAMPAIGN.c.expired_points_to)
        .join(_CAMPAIGN, _CAMPAIGN.c.id == _GRANT.c.campaign_id)
        .where(_GRANT.c.transaction_key.in_(keys))
        .order_by(_GRANT.c.id)
        .with_for_update(of=_GRANT, skip_locked=True, key_share=True)
    )
    grants = {row.transaction_key: row for row in session.execute(query)}
    back = returned(session, [row.id for row in grants.values()])
    plans: dict[UUID, _Plan] = {}
    for lot in lots:
        key = chains.get(lot.id)
        row = None if key is None else grants.get(key)
        if row is None and key in known:
            continue
        # One lot of a grant at a time, so that what came back of it before is known exactly.
        plans.setdefault(lot.id if row is None else row.id, _plan(lot, row, back))
    return list(plans.values())


def _plan(lot: OverdueLot, row: Row[Any] | None, back: dict[UUID, Returned]) -> _Plan:
    due = DueLot(lot.id, UUID(lot.owner), lot.created_by, lot.remaining)
    if row is None:
        return _Plan(lot, expiry(due, effective_at=lot.expires_at, actor=ACTOR), None, None)
    returns_to: StandingGrant | None = None
    if row.expired_points_to == CAMPAIGN:
        grant = back[row.id].standing(row)
        # More than what stands is there only when others' points paid for what was taken back of it.
        if lot.remaining <= grant.points - grant.taken:
            returns_to = grant
    chain = expiry(due, returns_to=returns_to, effective_at=lot.expires_at, actor=ACTOR)
    return _Plan(lot, chain, row.id, returns_to)


def _row(one: _Plan, now: datetime) -> tuple[Any, ...]:
    points, grant = one.lot.remaining, one.returns_to
    back, fee = (0, 0) if grant is None else (points, grant.fee_back(points))
    return (one.lot.id, one.grant_id, points, back, fee, one.chain.key, now)
