"""The proof of history: every digest, every batch and every block is computed again."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Text, cast, func, select

from nerava.ledger import model
from nerava.ledger.accounts import account_uuid
from nerava.ledger.chart import UnknownAccountCode, kind_of
from nerava.ledger.chart import keeps_lots as code_keeps_lots
from nerava.ledger.findings import Finding
from nerava.ledger.hashing import (
    GENESIS,
    batch_hash,
    block_hash,
    canonical_json,
    instant,
    metadata_of,
    row_digest,
)
from nerava.platform.db.types import UUIDType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Executable, Result, Row, Select, Table
    from sqlalchemy.orm import Session

    from nerava.ledger.sealing import Anchor

_PAGE: Final = 5_000
TAIL_BLOCKS: Final = 5


def _with_ids_as_text(table: Table) -> Select[Any]:
    """Return a query for a table, ids spelled as they enter a digest; objects would cost half of the time."""
    columns = (cast(one, Text).label(one.name) if isinstance(one.type, UUIDType) else one for one in table.c)
    return select(*columns)


_TRANSFERS: Final = _with_ids_as_text(model.transfer).order_by(model.transfer.c.id)
_BATCHES: Final = _with_ids_as_text(model.batch)
_LOTS: Final = _with_ids_as_text(model.lot).order_by(model.lot.c.id)
_USES: Final = _with_ids_as_text(model.lot_use).order_by(model.lot_use.c.id)


def verify(
    session: Session,
    anchors: Iterable[Anchor] = (),
    *,
    on_progress: Callable[[int], None] | None = None,
) -> list[Finding]:
    """Recompute the hash chain from the rows and return every break, the bad rows of each batch named.

    History is read once, in the order in which it was made, a page at a time: however long it is, no more of
    it is in memory than a few pages and the batches that were being written at one moment.

    Args:
        session: A reading session; one snapshot.
        anchors: Heads of the chain that were kept outside; a chain that lost its tail lacks them.
        on_progress: Told how many transfers have been read.
    """
    findings = _verify_rows(session, on_progress)
    findings += _verify_absent(session)
    findings += _verify_blocks(session, anchors)
    findings += _verify_accounts(session)
    return findings


def verify_tail(session: Session, blocks: int = TAIL_BLOCKS) -> list[Finding]:
    """Recompute the last blocks of every lane and return what breaks in them; quick, however long history is.

    Finds books that were cut, restored from elsewhere or changed at their end; `verify` proves the rest.

    Args:
        session: A reading session; one snapshot.
        blocks: How many of each lane.
    """
    findings: list[Finding] = []
    lane = session.scalar(select(func.min(model.block.c.lane)))
    while lane is not None:  # From one lane to the next by the index: the blocks between are not read.
        findings += _verify_end(session, lane, blocks)
        lane = session.scalar(select(func.min(model.block.c.lane)).where(model.block.c.lane > lane))
    return findings


def _verify_end(session: Session, lane: str, blocks: int) -> list[Finding]:
    block, findings = model.block.c, list[Finding]()
    query = select(model.block).where(block.lane == lane).order_by(block.height.desc()).limit(blocks + 1)
    newest = session.execute(query).all()
    for row, before in zip_longest(newest[:blocks], newest[1:]):
        name = f"{lane}/{row.height}"
        if (row.height - 1, row.previous_hash) != ((before.height, before.hash) if before else (0, GENESIS)):
            findings.append(Finding("block-link", name, "does not follow the block before it"))
        batch = session.execute(_BATCHES.where(model.batch.c.id == row.batch_id)).one_or_none()
        if batch is None:
            findings.append(Finding("block-batch", name, f"its batch {row.batch_id} is gone"))
            continue
        content = batch.content_hash
        if block_hash(lane, row.height, row.previous_hash, str(row.batch_id), content) != row.hash:
            findings.append(Finding("block-hash", name, f"its batch {row.batch_id} is not what was sealed"))
        findings += _verify_batch(session, batch)
    return findings + _verify_last_seal(session, lane)


def _verify_last_seal(session: Session, lane: str) -> list[Finding]:
    seal, block = model.seal.c, model.block.c
    query = select(model.seal).where(seal.lane == lane).order_by(seal.day.desc()).limit(1)
    last = session.execute(query).one_or_none()
    if last is None:
        return []
    found = session.scalar(select(block.hash).where(block.lane == lane, block.height == last.height))
    if found == last.hash:
        return []
    said = "the chain ends before it" if found is None else "the chain was rewritten"
    return [Finding("seal-differs", f"{lane}/{last.height}", f"seal of {last.day}: {said}")]


def _verify_batch(session: Session, batch: Row[Any]) -> list[Finding]:
    transfer = model.transfer.c
    # A batch is named before its transfers are, so by the index: what is older than its name is none of them.
    mine = _TRANSFERS.where(transfer.id >= batch.id, transfer.batch_id == batch.id)
    rows = session.execute(mine).all()
    return _verify_digests(session, rows) + _verify_content(batch, [row.digest for row in rows])


def _verify_content(batch: Row[Any], digests: Iterable[bytes]) -> list[Finding]:
    if batch_hash(batch.lane, batch.posted_at, digests) == batch.content_hash:
        return []
    return [Finding("batch-hash", batch.id, "its transfers are not those that were committed")]


def _verify_digests(session: Session, rows: Sequence[Row[Any]]) -> list[Finding]:
    keys = [row.key for row in rows]
    lots = _by_key(session, _LOTS.where(model.lot.c.key.in_(keys)), _lot_fields)
    uses = _by_key(session, _USES.where(model.lot_use.c.key.in_(keys)), _use_fields)
    return [
        Finding("row-digest", row.id, f"transfer {row.key} is not what was posted")
        for row in rows
        if row_digest([*_transfer_fields(row), lots.get(row.key, []), uses.get(row.key, [])]) != row.digest
    ]


def _verify_rows(session: Session, on_progress: Callable[[int], None] | None) -> list[Finding]:
    findings: list[Finding] = []
    gathered: dict[str, list[bytes]] = defaultdict(list)
    stated: dict[str, Row[Any]] = {}
    count = 0
    for rows in _streamed(session, _TRANSFERS).partitions():
        findings += _verify_digests(session, rows)
        touched = {row.batch_id for row in rows}
        missing = _BATCHES.where(model.batch.c.id.in_(touched - stated.keys()))
        stated.update({row.id: row for row in session.execute(missing)})
        for row in rows:
            gathered[row.batch_id].append(row.digest)
        for batch_id in touched & stated.keys():
            if len(gathered[batch_id]) >= stated[batch_id].transfers:
                findings += _verify_content(stated.pop(batch_id), gathered.pop(batch_id))
        count += len(rows)
        if on_progress is not None:
            on_progress(count)
    for batch_id, digests in gathered.items():
        if batch_id in stated:
            findings += _verify_content(stated[batch_id], digests)
        else:
            findings.append(Finding("batch-missing", batch_id, "transfers without their batch"))
    return findings


def _verify_absent(session: Session) -> list[Finding]:
    """Find what has lost the other half of it: as sets, because each of these tables grows with history."""
    batch, block, transfer = model.batch.c, model.block.c, model.transfer.c
    waiting = model.unsealed.c.batch_id
    empty = select(batch.id).except_(select(transfer.batch_id))
    unlinked = select(batch.id).where(
        ~select(block.batch_id).where(block.batch_id == batch.id).exists(),
        ~select(waiting).where(waiting == batch.id).exists(),
    )
    checks: list[tuple[str, Executable, str]] = [
        ("batch-empty", empty, "the transfers of this batch are gone"),
        ("batch-unlinked", unlinked, "neither in the chain nor waiting for it"),
    ]
    for check, key in (("lot-orphan", model.lot.c.key), ("use-orphan", model.lot_use.c.key)):
        orphans = select(key).distinct().where(~select(transfer.key).where(transfer.key == key).exists())
        said = f"a {check.removesuffix('-orphan')} of a transfer that does not exist"
        checks.append((check, orphans, said))
    return [
        Finding(check, str(subject), said)
        for check, query, said in checks
        for subject in session.execute(query).scalars()
    ]


def _streamed(session: Session, query: Select[Any]) -> Result[Any]:
    return session.execute(query.execution_options(yield_per=_PAGE))


def _transfer_fields(row: Row[Any]) -> list[object]:
    return [
        row.id,
        row.key,
        row.fingerprint.hex(),
        row.transaction_id,
        row.position,
        row.template,
        row.kind,
        row.debit,
        row.credit,
        row.asset,
        row.amount,
        row.hold_id,
        _at(row.expires_at),
        row.debit_sequence,
        row.credit_sequence,
        row.debit_posted,
        row.debit_available,
        row.credit_posted,
        row.credit_available,
        _at(row.effective_at),
        _at(row.posted_at),
        row.lane,
        row.batch_id,
        row.actor,
        canonical_json(metadata_of(row.metadata)),
    ]


def _lot_fields(row: Row[Any]) -> list[object]:
    return [row.id, row.account_id, row.granted, row.source, _at(row.expires_at), row.restores]


def _use_fields(row: Row[Any]) -> list[object]:
    return [row.id, row.lot_id, row.amount]


def _by_key(
    session: Session, query: Select[Any], fields: Callable[[Row[Any]], list[object]]
) -> dict[str, list[list[object]]]:
    rows: dict[str, list[list[object]]] = defaultdict(list)
    for row in session.execute(query):
        rows[row.key].append(fields(row))
    return rows


class _Kept(NamedTuple):
    """The head of a lane's chain as somebody noted it; `seal` is the row in which they did, if any."""

    name: str
    hash: bytes
    seal: Row[Any] | None = None


def _kept_heads(session: Session, anchors: Iterable[Anchor]) -> dict[tuple[str, int], list[_Kept]]:
    """Return what the chain has to be at some heights: by its own seals, and by anchors kept outside."""
    kept: dict[tuple[str, int], list[_Kept]] = defaultdict(list)
    for row in session.execute(select(model.seal)):
        kept[row.lane, row.height].append(_Kept(f"seal of {row.day}", row.hash, row))
    for one in anchors:
        kept[one.lane, one.height].append(_Kept("anchor kept outside", bytes.fromhex(one.hash)))
    return kept


def _verify_blocks(session: Session, anchors: Iterable[Anchor]) -> list[Finding]:
    findings: list[Finding] = []
    kept = _kept_heads(session, anchors)
    previous: dict[str, tuple[int, bytes, int]] = {}
    block, batch = model.block, model.batch.c
    query = select(block, batch.content_hash, batch.transfers).outerjoin(
        model.batch, batch.id == block.c.batch_id
    )
    for row in _streamed(session, query.order_by(block.c.lane, block.c.height)):
        height, hash_before, transfers = previous.get(row.lane, (0, GENESIS, 0))
        name = f"{row.lane}/{row.height}"
        if row.height != height + 1 or row.previous_hash != hash_before:
            findings.append(Finding("block-link", name, "does not follow the block before it"))
        if row.content_hash is None:
            findings.append(Finding("block-batch", name, f"its batch {row.batch_id} is gone"))
        elif (
            block_hash(row.lane, row.height, row.previous_hash, str(row.batch_id), row.content_hash)
            != row.hash
        ):
            findings.append(Finding("block-hash", name, f"its batch {row.batch_id} is not what was sealed"))
        transfers += row.transfers or 0
        for one in kept.pop((row.lane, row.height), ()):
            findings += _verify_head(one, name, row.hash, transfers)
        previous[row.lane] = (row.height, row.hash, transfers)
    return findings + [
        Finding("tail-cut", f"{lane}/{height}", f"{one.name}: the chain ends before it")
        for (lane, height), heads in kept.items()
        for one in heads
    ]


def _verify_head(one: _Kept, name: str, found: bytes, transfers: int) -> list[Finding]:
    findings: list[Finding] = []
    if one.hash != found:
        findings.append(Finding("anchor-differs", name, f"{one.name}: the chain was rewritten"))
    day_of = None if one.seal is None else one.seal.sealed_at.date().isoformat()
    if one.seal is not None and (one.seal.transfers, one.seal.day) != (transfers, day_of):
        findings.append(Finding("seal-differs", name, f"{one.name}: not what was sealed"))
    return findings


def _verify_accounts(session: Session) -> list[Finding]:
    """Check that every account has the name that its id was derived from, and is what its name says."""
    findings: list[Finding] = []
    account, balance = model.account.c, model.balance.c
    query = select(account.id, account.code, account.kind, balance.keeps_lots).join(
        model.balance, balance.account_id == account.id
    )
    for row in session.execute(query.execution_options(yield_per=_PAGE)):
        if account_uuid(row.code) != row.id:
            findings.append(
                Finding("account-name", row.code, f"account {row.id} was opened under another name")
            )
        elif not _is_what_it_says(row.code, row.kind, keeps_lots=bool(row.keeps_lots)):
            findings.append(Finding("account-kind", row.code, "its name says that it is something else"))
    return findings


def _is_what_it_says(code: str, kind: str, *, keeps_lots: bool) -> bool:
    try:
        return (kind_of(code), code_keeps_lots(code)) == (kind, keeps_lots)
    except UnknownAccountCode:  # Not of the chart: it is whatever it was opened as.
        return True


def _at(at: datetime | None) -> str | None:
    return None if at is None else instant(at.astimezone(UTC))
