"""Money between lanes: chains in each of them and an account on either side, never one transaction over both.

A lane has its own writer and may one day have its own database, so nothing can commit in two at
once. The amount is held in both lanes, which says that both sides can; then the hold of the first
lane is resolved, which decides, once and for all; then that of the second follows. Whatever stops
in between is finished by `sweep`, which finds the open holds: there is no other state to lose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from nerava.kernel.ids import fact_id
from nerava.ledger import model
from nerava.ledger.accounts import AccountSpec, account_uuid
from nerava.ledger.hashing import metadata_of
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.values import Chain, Status, capture, hold, release

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger.service import Ledger
    from nerava.ledger.values import Transfer, Verdict
    from nerava.platform.db import Database

TEMPLATE: Final = "transit"


@dataclass(frozen=True, slots=True)
class Crossing:
    """An amount on its way from one lane to another. One fact, one crossing.

    Attributes:
        amount: Whole minor units of the asset of both accounts.
    """

    fact: str
    debit: str
    from_lane: str
    credit: str
    to_lane: str
    amount: int

    @property
    def key(self) -> UUID:
        """The key of the hold; the other steps' keys follow from it."""
        return fact_id(f"transit:{self.fact}")


def departure(from_lane: str, to_lane: str) -> str:
    """Return the code of the account that takes what leaves a lane for another."""
    return f"transit:{from_lane}:{to_lane}:out"


def arrival(from_lane: str, to_lane: str) -> str:
    """Return the code of the account that gives what has come from another lane."""
    return f"transit:{from_lane}:{to_lane}:in"


def transit_accounts(from_lane: str, to_lane: str, asset: str) -> list[AccountSpec]:
    """Return both accounts of a way between two lanes; when nothing is on its way they cancel out."""
    return [
        AccountSpec(departure(from_lane, to_lane), asset, "transit", lane=from_lane),
        AccountSpec(arrival(from_lane, to_lane), asset, "transit", floor=None, ceiling=0, lane=to_lane),
    ]


def move(ledger: Ledger, crossing: Crossing) -> Verdict:
    """Move an amount from one lane to another and return how the first or the deciding step ended.

    `posted` or `exists` means that it has arrived and is settled. A refusal left nothing: what was
    held has been given back, and the fact stays refused; `conflict` says that it was refused
    before. Repeats safely, also after a crash between any two steps and by several at once.

    Raises:
        SwitchedOff: Money is stopped; what was begun waits for `sweep` (503).
    """
    held = ledger.submit(_chain(crossing.key, crossing.from_lane, _hold(crossing), crossing))
    if not held.ok:
        return held
    return _finish(ledger, crossing)


def sweep(database: Database, ledger: Ledger) -> int:
    """Finish crossings that stand still and return how many there were. Repeats safely."""
    waiting = database.read(_waiting)
    for crossing in waiting:
        _finish(ledger, crossing)
    return len(waiting)


def _finish(ledger: Ledger, crossing: Crossing) -> Verdict:
    ready = _asked(ledger, crossing, "arrive", crossing.to_lane, _awaited(crossing))
    outcome = capture(crossing.key) if ready.ok else release(crossing.key)
    decided = _asked(ledger, crossing, "settle", crossing.from_lane, outcome)
    # Capture and release have one key: a conflict says that it was decided the other way before.
    if not decided.ok and decided.status is not Status.CONFLICT:
        raise AssertionError(f"a crossing cannot be settled: {decided.status}")
    crosses = ready.ok is decided.ok
    if not crosses and not ready.ok:
        return ready
    arriving = _step(crossing, "arrive")
    end = capture(arriving) if crosses else release(arriving)
    ended = _asked(ledger, crossing, "end", crossing.to_lane, end)
    if not ended.ok:
        raise AssertionError(f"a crossing was decided, but its arrival says {ended.status}")
    return ended if crosses else decided


def _asked(ledger: Ledger, crossing: Crossing, step: str, lane: str, leg: Transfer) -> Verdict:
    verdict = ledger.submit(_chain(_step(crossing, step), lane, leg, crossing))
    if verdict.status is Status.SWITCHED_OFF:
        raise SwitchedOff  # It waits as it is: neither arrived nor refused.
    return verdict


def _hold(crossing: Crossing) -> Transfer:
    return hold(
        crossing.debit, departure(crossing.from_lane, crossing.to_lane), crossing.amount, expires_at=None
    )


def _awaited(crossing: Crossing) -> Transfer:
    # What was accepted as a hold can always be captured, whatever ceiling the payee has.
    source = arrival(crossing.from_lane, crossing.to_lane)
    return hold(source, crossing.credit, crossing.amount, expires_at=None)


def _step(crossing: Crossing, step: str) -> UUID:
    return fact_id(f"transit:{crossing.fact}:{step}")


def _chain(key: UUID, lane: str, leg: Transfer, crossing: Crossing) -> Chain:
    # The whole crossing stands with every step, so that the sweeper needs nothing else.
    circumstances = {
        "fact": crossing.fact,
        "debit": crossing.debit,
        "from_lane": crossing.from_lane,
        "credit": crossing.credit,
        "to_lane": crossing.to_lane,
        "amount": crossing.amount,
    }
    return Chain(key, TEMPLATE, (leg,), lane=lane, metadata=circumstances)


def _waiting(session: Session) -> list[Crossing]:
    query = (
        select(model.transfer.c.metadata)
        .join(model.open_hold, model.open_hold.c.hold_id == model.transfer.c.id)
        .where(model.transfer.c.template == TEMPLATE)
        .order_by(model.transfer.c.id)
    )
    # A crossing may wait with both of its holds.
    return list(dict.fromkeys(Crossing(**metadata_of(stored)) for stored in session.execute(query).scalars()))


def on_its_way(session: Session, from_lane: str, to_lane: str) -> int:
    """Return what has left but not arrived, in minor units; 0 when nothing is on its way."""
    codes = (departure(from_lane, to_lane), arrival(from_lane, to_lane))
    ids = [account_uuid(code) for code in codes]
    rows = session.execute(
        select(model.balance.c.credits_posted - model.balance.c.debits_posted).where(
            model.balance.c.account_id.in_(ids)
        )
    )
    return int(sum(rows.scalars()))
