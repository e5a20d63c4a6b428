"""The hash chain: every committed batch becomes a block, every day a seal that can leave the house.

Postings do not wait for it. A batch states the hash of its transfers in the commit that posts
them; the sealer then links committed batches, one block each, in whatever order it finds them.
So two processes may post at once without queueing for the head of the chain, and a stopped
sealer stops nothing: what is not linked yet waits in `ledger_unsealed`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, text

from nerava.ledger import model
from nerava.ledger.hashing import GENESIS, block_hash

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

SEAL_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of a lane's chain; whoever keeps a copy outside can tell a cut tail.

    Attributes:
        hash: Hexadecimal SHA-256 of the block at `height`.
        transfers: How many transfers all blocks up to it hold.
    """

    lane: str
    height: int
    hash: str
    transfers: int


def seal_batches(session: Session, *, limit: int = SEAL_MAX) -> int:
    """Link at most `limit` committed batches into the chains of their lanes; return how many.

    Repeats safely; two sealers wait for each other, lane by lane.
    """
    pending = session.execute(
        select(model.unsealed.c.batch_id, model.unsealed.c.lane)
        .order_by(model.unsealed.c.lane, model.unsealed.c.batch_id)
        .limit(limit)
    ).all()
    linked = 0
    for lane in sorted({row.lane for row in pending}):
        linked += _seal_lane(session, lane, limit - linked)
    return linked


def _seal_lane(session: Session, lane: str, limit: int) -> int:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(
            text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": zlib.crc32(f"seal:{lane}".encode())}
        )
    unsealed, batch = model.unsealed.c, model.batch.c
    batches = session.execute(
        select(batch.id, batch.content_hash)
        .join(model.unsealed, unsealed.batch_id == batch.id)
        .where(unsealed.lane == lane)
        .order_by(batch.id)
        .limit(limit)
    ).all()
    height, previous = head(session, lane)
    blocks: list[dict[str, Any]] = []
    for row in batches:
        height += 1
        current = block_hash(lane, height, previous, str(row.id), row.content_hash)
        blocks.append(
            {"lane": lane, "height": height, "batch_id": row.id, "previous_hash": previous, "hash": current}
        )
        previous = current
    if blocks:
        session.execute(insert(model.block), blocks)
        session.execute(delete(model.unsealed).where(unsealed.batch_id.in_([row.id for row in batches])))
    return len(blocks)


def head(session: Session, lane: str) -> tuple[int, bytes]:
    """Return height and hash of a lane's last block; 0 and zeros before the first."""
    block = model.block.c
    row = session.execute(
        select(block.height, block.hash).where(block.lane == lane).order_by(block.height.desc()).limit(1)
    ).one_or_none()
    return (row.height, row.hash) if row else (0, GENESIS)


def anchors(session: Session) -> list[Anchor]:
    """Return the head of every lane's chain, to be kept outside."""
    block, batch = model.block.c, model.batch.c
    rows = session.execute(
        select(block.lane, func.max(block.height), func.sum(batch.transfers))
        .join(model.batch, batch.id == block.batch_id)
        .group_by(block.lane)
        .order_by(block.lane)
    ).all()
    return [
        Anchor(lane, height, head(session, lane)[1].hex(), int(transfers)) for lane, height, transfers in rows
    ]


def seal_day(session: Session, now: datetime) -> list[Anchor]:
    """Link what is waiting and write the seal of the UTC day of `now` for every lane that lacks it.

    Returns the anchors that were written; an empty list when the day is sealed already.
    """
    while seal_batches(session):
        pass
    day = now.astimezone(UTC).date().isoformat()
    sealed = set(session.execute(select(model.seal.c.lane).where(model.seal.c.day == day)).scalars())
    fresh = [one for one in anchors(session) if one.lane not in sealed]
    if fresh:
        session.execute(
            insert(model.seal),
            [
                {
                    "lane": one.lane,
                    "day": day,
                    "height": one.height,
                    "hash": bytes.fromhex(one.hash),
                    "transfers": one.transfers,
                    "sealed_at": now,
                }
                for one in fresh
            ],
        )
    return fresh
