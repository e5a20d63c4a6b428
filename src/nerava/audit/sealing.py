"""The chain of the audit log: every committed entry becomes a block, every hour a signed anchor.

Entries are written unchained, so that no business waits for the head of the chain. Each leaves a
row on the sealer's work list in its own transaction; the sealer links what it finds there, in
whatever order it became visible. An entry that commits late is simply linked later: nothing
depends on clocks or on the order of ids.
"""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, insert, select, text

from nerava.audit import model
from nerava.audit.hashing import GENESIS, block_hash

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.audit.signing import SealKey

log = logging.getLogger(__name__)

SEAL_MAX: Final = 2_000
_LOCK: Final = zlib.crc32(b"seal:audit")


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of the audit chain at an hour, signed; whoever keeps a copy elsewhere can tell a cut tail.

    Attributes:
        hour: The UTC hour, `2026-11-23T14`.
        hash: Hexadecimal SHA-256 of the block at `height`.
        key_id: Names the key that signed.
        signature: Hexadecimal Ed25519 signature over hour, height and hash.
    """

    hour: str
    height: int
    hash: str
    key_id: str
    signature: str

    @classmethod
    def read(cls, **fields: Any) -> Anchor:  # noqa: ANN401 - whatever a file holds
        """Return an anchor that was kept elsewhere.

        Raises:
            ValueError: Hash or signature is not hexadecimal.
            TypeError: A field is missing, is one too many, or is not text.
        """
        found = cls(**fields)
        if not (found.hash_bytes and found.signature_bytes):
            message = "an anchor has a hash and a signature"
            raise ValueError(message)
        return found

    @property
    def hash_bytes(self) -> bytes:
        """The hash as it is compared."""
        return bytes.fromhex(self.hash)

    @property
    def signature_bytes(self) -> bytes:
        """The signature as it is verified."""
        return bytes.fromhex(self.signature)


def seal_entries(session: Session, *, limit: int = SEAL_MAX) -> int:
    """Link at most `limit` committed entries into the chain and return how many.

    Repeats safely; two sealers wait for each other.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    waiting = model.unsealed.c.entry_id
    linked = exists().where(model.block.c.entry_id == waiting)
    # An entry is linked once, whoever puts it on the list again.
    session.execute(delete(model.unsealed).where(linked))
    rows = session.execute(
        select(model.entry).join(model.unsealed, waiting == model.entry.c.id).order_by(waiting).limit(limit)
    ).all()
    height, previous = head(session)
    blocks: list[dict[str, Any]] = []
    for row in rows:
        height += 1
        current = block_hash(height, previous, row)
        blocks.append({"height": height, "entry_id": row.id, "previous_hash": previous, "hash": current})
        previous = current
    if blocks:
        session.execute(insert(model.block), blocks)
        session.execute(delete(model.unsealed).where(waiting.in_([row.id for row in rows])))
    return len(blocks)


def head(session: Session) -> tuple[int, bytes]:
    """Return height and hash of the last block; 0 and zeros before the first."""
    block = model.block.c
    row = session.execute(
        select(block.height, block.hash).order_by(block.height.desc()).limit(1)
    ).one_or_none()
    return (row.height, row.hash) if row else (0, GENESIS)


def sign_hour(session: Session, key: SealKey, now: datetime) -> Anchor | None:
    """Link what waits, sign the head for the UTC hour of `now` and return the anchor.

    None when the hour has its anchor, or nothing was ever written. The anchor is also logged, so
    that it leaves the host with the log. Repeats safely.
    """
    while seal_entries(session):
        pass
    hour = now.astimezone(UTC).strftime("%Y-%m-%dT%H")
    anchor = model.anchor.c
    if session.scalar(select(anchor.hour).where(anchor.hour == hour)) is not None:
        return None
    height, current = head(session)
    if height == 0:
        return None
    signature = key.sign(hour, height, current)
    row = {"hour": hour, "height": height, "hash": current, "key_id": key.key_id, "signature": signature}
    session.execute(insert(model.anchor).values(**row, signed_at=now))
    signed = Anchor(hour, height, current.hex(), key.key_id, signature.hex())
    log.info("audit anchor %s height %d hash %s signature %s", hour, height, signed.hash, signed.signature)
    return signed


def anchors(session: Session) -> list[Anchor]:
    """Return every anchor, oldest first, to be kept elsewhere."""
    rows = session.execute(select(model.anchor).order_by(model.anchor.c.hour))
    return [_anchor(row) for row in rows]


def _anchor(row: Row[Any]) -> Anchor:
    return Anchor(row.hour, row.height, row.hash.hex(), row.key_id, row.signature.hex())
