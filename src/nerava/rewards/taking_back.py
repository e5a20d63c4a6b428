"""Takes points back that turned out not to be earned; what the driver no longer has stays owed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, select, update

from nerava.charging import service as charging
from nerava.charging.states import SessionState
from nerava.drivers.nobody import NOBODY
from nerava.kernel.ids import fact_id, new_id
from nerava.kernel.switch_names import MONEY_ALL, READONLY
from nerava.ledger import Status
from nerava.ledger.chart import driver_nova
from nerava.ledger.reads import balance_now
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import require_off
from nerava.ledger.templates.clawback import ClawbackFrom, clawback
from nerava.rewards import usage
from nerava.rewards.campaigns import campaigns_by_id
from nerava.rewards.errors import MoreThanStands, PostingRefused, UnknownGrant, WrongGrantState
from nerava.rewards.evaluation import GRID_WAITING, NOTHING_BEFORE
from nerava.rewards.grid_reading import beside, grid_of
from nerava.rewards.model import RewardGrant
from nerava.rewards.return_store import RewardClawback, RewardReceivable
from nerava.rewards.returns import lot_key_of, returned
from nerava.rewards.settlement import pasts_of
from nerava.rewards.telling import Moved, tell
from nerava.rewards.usage import CapUse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession
    from nerava.ledger import Ledger
    from nerava.ledger.templates.clawback import Clawback
    from nerava.platform.db import Database
    from nerava.rewards.returns import Returned

ACTOR: Final = "rewards"
SETTLED: Final = "settled"
CLAWED_BACK: Final = "clawed_back"
OPEN: Final = "open"
RECOVERED: Final = "recovered"
LATER: Final = timedelta(minutes=1)
"""When a debt is looked at again whose driver has nothing, or a grant that a kill switch stops."""

TRIES: Final = 3
"""The first posting locks the account, so what is read for the second one is exact."""

_T: Final[Any] = RewardGrant.__table__
_G: Final[Any] = _T.c
_CLAWBACK: Final[Any] = RewardClawback.__table__
_OWED: Final[Any] = RewardReceivable.__table__


@dataclass(frozen=True, slots=True)
class Decision:
    """That points were not earned, and why.

    Attributes:
        id: Names the decision; it happens once.
        reason: A code of `reasons.TEXTS`, and `facts` what its sentence needs.
        decided_by: A person as an opaque id, or the name of a job.
    """

    id: UUID
    points: int
    reason: str
    decided_by: str = ACTOR
    facts: Mapping[str, object] = field(default_factory=dict)


class TakenBack(NamedTuple):
    """What a decision came to: points decided, had by the driver and taken, and still owed."""

    points: int
    taken: int
    owed: int


def take_back(
    session: Session, ledger: Ledger, grant_id: UUID, decision: Decision, *, now: datetime
) -> TakenBack:
    """Carry out a decision in the caller's unit of work and return what it came to.

    Takes what the driver has, an allowance below 0 included; the rest is owed and taken from what
    they earn later. The caps of the driver get back what was decided. A decision that was carried
    out is answered as it was.

    Raises:
        UnknownGrant: No grant has this id (404).
        WrongGrantState: It is not settled, or names its driver no more (409).
        MoreThanStands: More points than what stands of it and has not expired (409).
        SwitchedOff: Somebody has stopped it (503).
        PostingRefused: The ledger refused it (409).
    """
    row = _locked(session, grant_id)
    known = session.get(RewardClawback, decision.id)
    if known is not None:
        return TakenBack(known.points, known.taken, known.points - known.taken)
    if row.state != SETTLED or row.driver_id == NOBODY:
        raise WrongGrantState(f"the grant is {row.state}", state=row.state)
    back = returned(session, [grant_id])[grant_id]
    stands = row.points - back.expired
    if not 0 < decision.points <= stands:
        raise MoreThanStands(f"{decision.points} of {max(0, stands)}", stands=max(0, stands))
    done = _post(session, ledger, row, back, decision)
    fee = back.standing(row).fee_back(done.taken)
    _write(session, row, decision, done, fee=fee, now=now)
    left = row.points - decision.points
    state = SETTLED if left else CLAWED_BACK
    session.execute(update(_T).where(_G.id == grant_id).values(points=left, state=state, review_at=None))
    campaign = campaigns_by_id(session, [row.campaign_id])[row.campaign_id]
    usage.give_back(session, [CapUse(row.driver_id, campaign, row.local_date, decision.points)])
    gone = Moved("clawed_back", row.campaign_id, row.session_id, row.driver_id, decision.points)
    tell(session, [gone], now)
    if done.receivable:
        owed = RewardReceivable(
            id=new_id(),
            clawback_id=decision.id,
            grant_id=grant_id,
            points=done.receivable,
            state=OPEN,
            next_at=now,
            arose_at=now,
        )
        session.add(owed)
        session.flush()
    return TakenBack(decision.points, done.taken, done.receivable)


def review_grants(database: Database, ledger: Ledger, now: datetime, limit: int = 100) -> int:
    """Look again at settled grants whose session was decided anew, each in a unit of work of its own.

    What the session did not earn as it stands now is taken back: all of it when it was rejected.
    One whose session waits for a person, or for its evaluation, is left alone; either ends with
    another look. Returns how many were looked at. Safe to repeat, and beside other workers.

    Raises:
        SwitchedOff: Nothing moves for now; the grants wait (503).
    """
    due = select(_G.id).where(_G.review_at <= now).order_by(_G.review_at, _G.id).limit(limit)
    ids = database.read(lambda session: session.scalars(due).all())
    for grant_id in ids:
        database.run(lambda session, one=grant_id: _review(session, ledger, one, now), repeatable=True)  # type: ignore[misc]
    return len(ids)


def recover_owed(database: Database, ledger: Ledger, now: datetime, limit: int = 100) -> int:
    """Take what drivers owe from what they have earned since; return how many debts got something.

    Each in a unit of work of its own; one whose driver has nothing is looked at a minute later.

    Raises:
        SwitchedOff: Nothing moves for now; the debts wait (503).
    """
    due = select(_OWED.c.id).where(_OWED.c.state == OPEN, _OWED.c.next_at <= now)
    some = due.order_by(_OWED.c.next_at, _OWED.c.id).limit(limit)
    ids = database.read(lambda session: session.scalars(some).all())
    return sum(
        database.run(lambda session, one=owed_id: _recover(session, ledger, one, now), repeatable=True)  # type: ignore[misc]
        for owed_id in ids
    )


def _review(session: Session, ledger: Ledger, grant_id: UUID, now: datetime) -> None:
    require_off(session, MONEY_ALL, READONLY)
    claim = (
        select(_T)
        .where(_G.id == grant_id, _G.review_at <= now)
        .with_for_update(skip_locked=True, key_share=True)
    )
    row = session.execute(claim).one_or_none()
    if row is None:
        return
    decision = _decide(session, row, now)
    if decision is None:
        session.execute(update(_T).where(_G.id == grant_id).values(review_at=None))
        return
    try:
        take_back(session, ledger, grant_id, decision, now=now)
    except SwitchedOff:
        session.execute(update(_T).where(_G.id == grant_id).values(review_at=now + LATER))


def _decide(session: Session, row: Row[Any], now: datetime) -> Decision | None:
    """Return what a grant's session did not earn as it stands now, None if that is nothing."""
    if row.state != SETTLED or row.driver_id == NOBODY:
        return None
    found = charging.evidenced(session, [row.session_id]).get(row.session_id)
    if found is None:
        return None
    evidence, state = found
    proven = _proven(session, row, evidence, now) if state is SessionState.VERIFIED else 0
    if proven is None or state not in {SessionState.VERIFIED, SessionState.REJECTED}:
        return None
    back = returned(session, [row.id])[row.id]
    points = min(row.points - proven, row.points - back.expired)
    if points <= 0:
        return None
    code = "clawback.reduced" if proven else "clawback.not_proven"
    reason = "clawback.rejected" if state is SessionState.REJECTED else code
    # Every decision makes the sum of what was decided greater, so this names one of them.
    fact = fact_id(f"reward_clawback:{row.id}:{back.decided}")
    return Decision(fact, points, reason, facts={"proven": proven, "granted": row.points})


def _proven(session: Session, row: Row[Any], evidence: EvidencedSession, now: datetime) -> int | None:
    """Return how many points of a grant a verified session earned; None where that cannot be said now."""
    campaigns = campaigns_by_id(session, [row.campaign_id])
    campaign = campaigns[row.campaign_id]
    history = pasts_of(session, [row], campaigns).get((row.session_id, row.campaign_id))
    if campaign.asks and history is None:
        return None  # By which past it was granted was not written down then.
    grid = grid_of(session, [evidence], [campaign], now)
    history = beside(history or NOTHING_BEFORE, None if grid is None else grid.facts[row.session_id])
    again = campaign.earns(evidence, history)
    return None if again.reason == GRID_WAITING else min(row.points, again.points)


def _recover(session: Session, ledger: Ledger, owed_id: UUID, now: datetime) -> int:
    require_off(session, MONEY_ALL, READONLY)
    grant_id = session.scalar(select(_OWED.c.grant_id).where(_OWED.c.id == owed_id))
    if grant_id is None:
        raise AssertionError("a debt has its grant")
    row = _locked(session, grant_id)
    claim = select(_OWED).where(_OWED.c.id == owed_id, _OWED.c.state == OPEN, _OWED.c.next_at <= now)
    owed = session.execute(claim.with_for_update(key_share=True)).one_or_none()
    if owed is None:
        return 0
    again = update(_OWED).where(_OWED.c.id == owed_id)
    if row.driver_id == NOBODY or _available(session, row.driver_id) <= 0:
        session.execute(again.values(next_at=now + LATER))
        return 0
    recovered = select(func.coalesce(func.sum(_CLAWBACK.c.taken), 0)).where(
        _CLAWBACK.c.receivable_id == owed_id
    )
    paid = int(session.execute(recovered).scalar_one())
    back = returned(session, [grant_id])[grant_id]
    wanted = Decision(fact_id(f"recovery:{owed_id}:{paid}"), owed.points - paid, "clawback.recovered")
    try:
        done = _post(session, ledger, row, back, wanted)
    except SwitchedOff:
        session.execute(again.values(next_at=now + LATER))
        return 0
    if not done.taken:
        session.execute(again.values(next_at=now + LATER))
        return 0
    fee = back.standing(row).fee_back(done.taken)
    _write(session, row, wanted, done, fee=fee, now=now, owed_id=owed_id)
    if done.receivable:
        session.execute(again.values(next_at=now + LATER))
    else:
        session.execute(again.values(state=RECOVERED, next_at=None, closed_at=now))
    return 1


def _locked(session: Session, grant_id: UUID) -> Row[Any]:
    row = session.execute(select(_T).where(_G.id == grant_id).with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise UnknownGrant(f"no grant {grant_id}")
    return row


def _available(session: Session, driver_id: UUID) -> int:
    """Return what a driver can be debited now, an allowance below 0 included."""
    balance = balance_now(session, driver_nova(driver_id))
    return balance.available - (balance.floor or 0)


def _post(session: Session, ledger: Ledger, row: Row[Any], back: Returned, decision: Decision) -> Clawback:
    """Post what the driver has of it; when they spend some meanwhile, what they have then."""
    for attempt in count(1):
        source = ClawbackFrom(row.driver_id, lot_key_of(row), _available(session, row.driver_id))
        done = clawback(
            clawback_id=decision.id,
            grant=back.standing(row),
            source=source,
            points=decision.points,
            actor=decision.decided_by,
            metadata={"reason": decision.reason, "facts": dict(decision.facts)},
        )
        if done.chain is None:
            return done
        verdict = ledger.post(session, done.chain)
        if verdict.status is Status.POSTED:
            return done
        if verdict.status is Status.SWITCHED_OFF:
            raise SwitchedOff
        if verdict.status is not Status.INSUFFICIENT or attempt == TRIES:
            raise PostingRefused(f"the ledger said {verdict.status}", status=verdict.status)
    raise AssertionError("counting has no end")


def _write(
    session: Session,
    row: Row[Any],
    decision: Decision,
    done: Clawback,
    *,
    fee: int,
    now: datetime,
    owed_id: UUID | None = None,
) -> None:
    taken = RewardClawback(
        id=decision.id,
        grant_id=row.id,
        points=decision.points if owed_id is None else done.taken,
        taken=done.taken,
        fee_returned=fee,
        reason=decision.reason,
        facts=dict(decision.facts),
        decided_by=decision.decided_by,
        receivable_id=owed_id,
        transaction_key=None if done.chain is None else done.chain.key,
        decided_at=now,
    )
    session.add(taken)
    session.flush()
