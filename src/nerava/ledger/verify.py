"""The proof of history: every digest, every batch and every block is computed again."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import Column, Row, Select
    from sqlalchemy.orm import Session

    from nerava.ledger.sealing import Anchor

_PAGE: Final = 5_000
TAIL_BLOCKS: Final = 5


def verify(
    session: Session,
    anchors: Iterable[Anchor] = (),
    *,
    on_progress: Callable[[int], None] | None = None,
) -> list[Finding]:
    """Recompute the hash chain from the rows and return every break, the first bad row of each batch named.

    Args:
        session: A reading session; one snapshot.
        anchors: Heads of the chain that were kept outside; a chain that lost its tail lacks them.
        on_progress: Told how many transfers have been read.
    """
    stated: dict[str, bytes] = {}
    findings = _verify_rows(session, stated, on_progress)
    findings += _verify_blocks(session, stated)
    findings += _verify_outside(session, anchors)
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
        batch = session.execute(select(model.batch).where(model.batch.c.id == row.batch_id)).one_or_none()
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
    keys = select(transfer.key).where(transfer.batch_id == batch.id)
    lots = _by_key(session, model.lot.c.key, _lot_fields, keys)
    uses = _by_key(session, model.lot_use.c.key, _use_fields, keys)
    findings: list[Finding] = []
    digests: list[bytes] = []
    rows = session.execute(select(model.transfer).where(transfer.batch_id == batch.id).order_by(transfer.id))
    for row in rows:
        key = str(row.key)
        if row_digest([*_transfer_fields(row), lots.pop(key, []), uses.pop(key, [])]) != row.digest:
            findings.append(Finding("row-digest", str(row.id), f"transfer {key} is not what was posted"))
        digests.append(row.digest)
    if batch_hash(batch.lane, batch.posted_at, digests) != batch.content_hash:
        said = "its transfers are not those that were committed"
        findings.append(Finding("batch-hash", str(batch.id), said))
    return findings


def _verify_rows(
    session: Session, stated: dict[str, bytes], on_progress: Callable[[int], None] | None
) -> list[Finding]:
    findings: list[Finding] = []
    batches = {str(row.id): row for row in session.execute(select(model.batch))}
    stated.update({key: row.content_hash for key, row in batches.items()})
    lots = _by_key(session, model.lot.c.key, _lot_fields)
    uses = _by_key(session, model.lot_use.c.key, _use_fields)
    digests: list[bytes] = []
    current: str | None = None

    def finish() -> None:
        if current is None:
            return
        row = batches.pop(current, None)
        if row is None:
            findings.append(Finding("batch-missing", current, "transfers without their batch"))
        elif batch_hash(row.lane, row.posted_at, digests) != row.content_hash:
            findings.append(Finding("batch-hash", current, "its transfers are not those that were committed"))

    for count, row in enumerate(_transfers(session), start=1):
        batch_id = str(row.batch_id)
        if batch_id != current:
            finish()
            current, digests = batch_id, []
        key = str(row.key)
        digest = row_digest([*_transfer_fields(row), lots.pop(key, []), uses.pop(key, [])])
        if digest != row.digest:
            findings.append(Finding("row-digest", str(row.id), f"transfer {key} is not what was posted"))
        digests.append(row.digest)
        if on_progress is not None and count % _PAGE == 0:
            on_progress(count)
    finish()
    findings += [Finding("batch-empty", key, "the transfers of this batch are gone") for key in batches]
    findings += [Finding("lot-orphan", key, "lots of a transfer that does not exist") for key in lots]
    findings += [Finding("use-orphan", key, "uses by a transfer that does not exist") for key in uses]
    return findings


def _transfers(session: Session) -> Iterator[Row[Any]]:
    query = select(model.transfer).order_by(model.transfer.c.batch_id, model.transfer.c.id)
    yield from session.execute(query.execution_options(yield_per=_PAGE))


def _transfer_fields(row: Row[Any]) -> list[object]:
    return [
        str(row.id),
        str(row.key),
        row.fingerprint.hex(),
        str(row.transaction_id),
        row.position,
        row.template,
        row.kind,
        str(row.debit),
        str(row.credit),
        row.asset,
        row.amount,
        None if row.hold_id is None else str(row.hold_id),
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
        str(row.batch_id),
        row.actor,
        canonical_json(metadata_of(row.metadata)),
    ]


def _lot_fields(row: Row[Any]) -> list[object]:
    restores = None if row.restores is None else str(row.restores)
    return [str(row.id), str(row.account_id), row.granted, row.source, _at(row.expires_at), restores]


def _use_fields(row: Row[Any]) -> list[object]:
    return [str(row.id), str(row.lot_id), row.amount]


def _by_key(
    session: Session,
    key: Column[Any],
    fields: Callable[[Row[Any]], list[object]],
    keys: Select[tuple[Any]] | None = None,
) -> dict[str, list[list[object]]]:
    """Return the fields of a table's rows by transfer key, in the order in which they were made."""
    rows: dict[str, list[list[object]]] = defaultdict(list)
    query = select(key.table).order_by(key.table.c.id).execution_options(yield_per=_PAGE)
    for row in session.execute(query if keys is None else query.where(key.in_(keys))):
        rows[str(row.key)].append(fields(row))
    return dict(rows)


def _verify_blocks(session: Session, stated: dict[str, bytes]) -> list[Finding]:
    findings: list[Finding] = []
    waiting = {str(one) for one in session.execute(select(model.unsealed.c.batch_id)).scalars()}
    linked: set[str] = set()
    previous: dict[str, tuple[int, bytes]] = {}
    query = select(model.block).order_by(model.block.c.lane, model.block.c.height)
    for row in session.execute(query.execution_options(yield_per=_PAGE)):
        height, hash_before = previous.get(row.lane, (0, GENESIS))
        batch_id = str(row.batch_id)
        linked.add(batch_id)
        name = f"{row.lane}/{row.height}"
        if row.height != height + 1 or row.previous_hash != hash_before:
            findings.append(Finding("block-link", name, "does not follow the block before it"))
        content = stated.get(batch_id)
        if content is None:
            findings.append(Finding("block-batch", name, f"its batch {batch_id} is gone"))
        elif block_hash(row.lane, row.height, row.previous_hash, batch_id, content) != row.hash:
            findings.append(Finding("block-hash", name, f"its batch {batch_id} is not what was sealed"))
        previous[row.lane] = (row.height, row.hash)
    findings += [
        Finding("batch-unlinked", key, "neither in the chain nor waiting for it")
        for key in stated.keys() - linked - waiting
    ]
    return findings


def _verify_outside(session: Session, anchors: Iterable[Anchor]) -> list[Finding]:
    block, batch = model.block.c, model.batch.c
    found: list[Finding] = []
    kept: Sequence[tuple[str, int, bytes, str]] = [
        *(
            (row.lane, row.height, row.hash, f"seal of {row.day}")
            for row in session.execute(select(model.seal))
        ),
        *((one.lane, one.height, bytes.fromhex(one.hash), "anchor kept outside") for one in anchors),
    ]
    for row in session.execute(select(model.seal)):
        counted = select(func.sum(batch.transfers)).join(model.block, block.batch_id == batch.id)
        transfers = session.execute(
            counted.where(block.lane == row.lane, block.height <= row.height)
        ).scalar_one()
        if transfers != row.transfers or row.day != row.sealed_at.date().isoformat():
            found.append(
                Finding("seal-differs", f"{row.lane}/{row.height}", f"seal of {row.day}: not what was sealed")
            )
    for lane, height, expected, name in kept:
        query = select(block.hash).where(block.lane == lane, block.height == height)
        actual = session.execute(query).scalar_one_or_none()
        if actual is None:
            found.append(Finding("tail-cut", f"{lane}/{height}", f"{name}: the chain ends before it"))
        elif actual != expected:
            found.append(Finding("anchor-differs", f"{lane}/{height}", f"{name}: the chain was rewritten"))
    return found


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
