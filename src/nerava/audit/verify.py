"""The proof of the audit log: every block is computed again from the entry it seals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import exists, select

from nerava.audit import model
from nerava.audit.hashing import GENESIS, block_hash
from nerava.audit.sealing import anchors
from nerava.ledger.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.orm import Session

    from nerava.audit.sealing import Anchor
    from nerava.audit.signing import SealKey

_PAGE: Final = 2_000


def verify(
    session: Session,
    keys: Sequence[SealKey] = (),
    outside: Iterable[Anchor] = (),
    *,
    on_progress: Callable[[int], None] | None = None,
) -> list[Finding]:
    """Recompute the chain and return every break in its order, so that the first names the first bad row.

    Args:
        session: A reading session; one snapshot.
        keys: One of them must have signed each anchor; without any, signatures are not read.
        outside: Anchors that were kept elsewhere; a chain that lost its tail lacks them.
        on_progress: Told how many blocks have been read.
    """
    return [
        *_verify_blocks(session, on_progress),
        *_verify_entries(session),
        *_verify_anchors(session, keys, outside),
    ]


def _verify_blocks(session: Session, on_progress: Callable[[int], None] | None) -> list[Finding]:
    findings: list[Finding] = []
    height, previous = 0, GENESIS
    block = model.block.c
    entry = [column for column in model.entry.c if column.name != "id"]
    query = (
        select(
            block.height,
            block.previous_hash,
            block.hash,
            block.entry_id,
            model.entry.c.id.label("id"),
            *entry,
        )
        .outerjoin(model.entry, model.entry.c.id == block.entry_id)
        .order_by(block.height)
        .execution_options(yield_per=_PAGE)
    )
    for row in session.execute(query):
        name = f"block {row.height}, entry {row.entry_id}"
        if row.height != height + 1:
            detail = f"follows block {height}: what stood between is gone"
            findings.append(Finding("audit-gap", name, detail))
        elif row.previous_hash != previous:
            findings.append(Finding("audit-link", name, "does not follow the block before it"))
        if row.id is None:
            findings.append(Finding("audit-entry-gone", name, "the entry it sealed is gone"))
        elif block_hash(row.height, row.previous_hash, row) != row.hash:
            findings.append(Finding("audit-entry-differs", name, "the entry is not what was sealed"))
        height, previous = row.height, row.hash
        if on_progress is not None and height % _PAGE == 0:
            on_progress(height)
    return findings


def _verify_entries(session: Session) -> list[Finding]:
    """Find entries that are neither in the chain nor waiting for it."""
    entry_id = model.entry.c.id
    linked = exists().where(model.block.c.entry_id == entry_id)
    waiting = exists().where(model.unsealed.c.entry_id == entry_id)
    query = select(entry_id).where(~linked, ~waiting).order_by(entry_id)
    return [
        Finding("audit-unlinked", f"entry {one}", "neither in the chain nor waiting for it")
        for one in session.execute(query).scalars()
    ]


def _verify_anchors(session: Session, keys: Sequence[SealKey], outside: Iterable[Anchor]) -> list[Finding]:
    findings: list[Finding] = []
    kept = [(one, f"anchor of {one.hour}") for one in anchors(session)]
    kept += [(one, f"anchor of {one.hour}, kept outside") for one in outside]
    block = model.block.c
    for one, name in kept:
        head = one.hash_bytes
        if keys and not any(key.signed(one.hour, one.height, head, one.signature_bytes) for key in keys):
            findings.append(Finding("audit-signature", name, f"not signed by a key of ours ({one.key_id})"))
        actual = session.scalar(select(block.hash).where(block.height == one.height))
        if actual is None:
            findings.append(Finding("audit-tail-cut", name, f"the chain ends before block {one.height}"))
        elif actual != head:
            findings.append(Finding("audit-rewritten", name, f"block {one.height} is another one"))
    return findings
