"""What lies in the lots of an account: how many points expire when, and whose money is behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import ARRAY, Integer, and_, bindparam, func, or_, select, true
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from nerava.ledger import model
from nerava.ledger.accounts import account_uuid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import Exists
    from sqlalchemy.orm import Session

_LOT: Final = model.lot.c
_USE: Final = model.lot_use.c

# Built once: building it costs more than running it, and every look into a wallet runs it.
_NEXT: Final = (
    select(func.sum(_LOT.remaining).label("points"), _LOT.expires_at)
    .where(_LOT.account_id == bindparam("account"), _LOT.remaining > 0, _LOT.expires_at.is_not(None))
    .group_by(_LOT.expires_at)
    .order_by(_LOT.expires_at)
    .limit(bindparam("most", type_=Integer()))
)
_ACCOUNT: Final = func.unnest(bindparam("accounts", type_=ARRAY(PG_UUID(as_uuid=True)))).column_valued(
    "account"
)
_LATERAL: Final = (
    select(func.sum(_LOT.remaining).label("points"), _LOT.expires_at)
    .where(_LOT.account_id == _ACCOUNT, _LOT.remaining > 0, _LOT.expires_at.is_not(None))
    .group_by(_LOT.expires_at)
    .order_by(_LOT.expires_at)
    .limit(bindparam("most", type_=Integer()))
    .lateral("next")
)
_NEXT_OF: Final = (
    select(_ACCOUNT.label("account"), _LATERAL.c.points, _LATERAL.c.expires_at)
    .join(_LATERAL, true())
    .order_by(_ACCOUNT, _LATERAL.c.expires_at)
)


@dataclass(frozen=True, slots=True)
class ExpiringPoints:
    """Points of an account that expire at one instant, whatever lots they lie in.

    Attributes:
        points: What is left of them, minor units of the account's asset.
        expires_at: From when on they may be taken back, aware UTC.
    """

    points: int
    expires_at: datetime


def expiring_next(session: Session, code: str, *, limit: int) -> list[ExpiringPoints]:
    """Return the account's points with an expiry, the soonest first, at most `limit` instants.

    Points that are overdue but not yet expired by the job come first; an unknown account has none.
    """
    rows = session.execute(_NEXT, {"account": account_uuid(code), "most": limit})
    return [ExpiringPoints(int(row.points), row.expires_at) for row in rows]


def expiring_next_of(
    session: Session, codes: Sequence[str], *, limit: int
) -> dict[str, list[ExpiringPoints]]:
    """Return what `expiring_next` does for many accounts, by code; those without any are left out.

    One statement on PostgreSQL. On SQLite, which has no LATERAL, one for each account.
    """
    if session.get_bind().dialect.name != "postgresql":
        found = {code: expiring_next(session, code, limit=limit) for code in codes}
        return {code: points for code, points in found.items() if points}
    names = {account_uuid(code): code for code in codes}
    told: dict[str, list[ExpiringPoints]] = {}
    for row in session.execute(_NEXT_OF, {"accounts": list(names), "most": limit}):
        told.setdefault(names[row.account], []).append(ExpiringPoints(int(row.points), row.expires_at))
    return told


@dataclass(frozen=True, slots=True)
class OpenLot:
    """What is left of one lot.

    Attributes:
        created_by: Key of the transfer that created the lot.
    """

    id: UUID
    created_by: UUID
    remaining: int


def open_lots(session: Session, code: str) -> list[OpenLot]:
    """Return the lots of an account with something left, in the order in which they are spent."""
    wanted = (
        select(_LOT.id, _LOT.key, _LOT.remaining)
        .where(_LOT.account_id == account_uuid(code), _LOT.remaining > 0)
        .order_by(_LOT.expires_at.is_(None), _LOT.expires_at, _LOT.id)
    )
    return [OpenLot(row.id, row.key, int(row.remaining)) for row in session.execute(wanted)]


@dataclass(frozen=True, slots=True)
class OverdueLot:
    """What is left of a lot whose instant has come.

    Attributes:
        owner: Whose account it lies in, as the chart names them.
        created_by: Key of the transfer that created the lot.
        source: Whose money is behind it.
        available: What the whole account can be debited now; less than `remaining` while a hold
            reserves some of it.
    """

    id: UUID
    owner: str
    created_by: UUID
    remaining: int
    source: str
    expires_at: datetime
    available: int


def overdue_lots(
    session: Session, now: datetime, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[OverdueLot]:
    """Return lots with something left whose instant has come, the earliest first.

    Of several lots that one transfer made in an account, only the first: the next one follows when
    that is gone.

    Args:
        session: A session of either kind.
        now: Aware UTC; a lot expires at its instant.
        after: Expiry and id of the last lot that was looked at; None starts at the first.
        limit: The most lots.
    """
    balance, account = model.balance.c, model.account.c
    available = balance.credits_posted - balance.debits_posted - balance.debits_pending
    wanted = (
        select(
            _LOT.id,
            account.owner,
            _LOT.key.label("created_by"),
            _LOT.remaining,
            _LOT.source,
            _LOT.expires_at,
            available.label("available"),
        )
        .join(model.account, account.id == _LOT.account_id)
        .join(model.balance, balance.account_id == _LOT.account_id)
        .where(_LOT.remaining > 0, _LOT.expires_at.is_not(None), _LOT.expires_at <= now, ~_older_twin())
        .order_by(_LOT.expires_at, _LOT.id)
        .limit(limit)
    )
    if after is not None:
        at, last = after
        wanted = wanted.where(or_(_LOT.expires_at > at, and_(_LOT.expires_at == at, _LOT.id > last)))
    return [OverdueLot(**row._asdict()) for row in session.execute(wanted)]


def _older_twin() -> Exists:
    twin = model.lot.alias().c
    return (
        select(twin.id)
        .where(
            twin.key == _LOT.key,
            twin.account_id == _LOT.account_id,
            twin.remaining > 0,
            or_(
                twin.expires_at < _LOT.expires_at,
                and_(twin.expires_at == _LOT.expires_at, twin.id < _LOT.id),
            ),
        )
        .exists()
    )


def origins(session: Session, lot_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Return, for each lot, the key of the chain that granted its points or, first, held them.

    A refund brings back what a payment consumed as a new lot; its points are still those of the
    first grant. Walks back one step for all lots at a time.
    """
    found: dict[UUID, UUID] = {}
    looking = {lot_id: [lot_id] for lot_id in lot_ids}
    while looking:
        restored = select(_LOT.id, _LOT.key, _USE.lot_id).outerjoin(model.lot_use, _USE.id == _LOT.restores)
        rows = session.execute(restored.where(_LOT.id.in_(looking))).all()
        back: dict[UUID, list[UUID]] = {}
        for row in rows:
            if row.lot_id is None:
                found |= dict.fromkeys(looking[row.id], row.key)
            else:
                back.setdefault(row.lot_id, []).extend(looking[row.id])
        looking = back
    made, held, first = model.transfer.alias(), model.transfer.alias(), model.transfer.alias()
    # The first transfer of a transaction gives it its id, and has the key of the chain.
    chains = (
        select(made.c.key, first.c.key.label("chain"))
        .outerjoin(held, held.c.id == made.c.hold_id)
        .join(first, first.c.id == func.coalesce(held.c.transaction_id, made.c.transaction_id))
        .where(made.c.key.in_(set(found.values())))
    )
    chain_of = {row.key: row.chain for row in session.execute(chains)}
    return {lot_id: chain_of[key] for lot_id, key in found.items()}
