"""What the oracle says has happened, in the shape in which the ledger tells its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.ledger.accounts import account_id
from nerava.ledger.values import PostedTransfer

if TYPE_CHECKING:
    from tests.ledger.oracle import Movement


def row_of(one: Movement, *, row_id: str, hold_id: str | None, asset: str) -> PostedTransfer:
    """Return a transfer of the oracle's as a row; it knows no batches, digests or metadata."""
    return PostedTransfer(
        id=row_id,
        key=str(one.key),
        fingerprint=one.chain.fingerprint(),
        transaction_id=str(one.chain.key),
        position=one.position,
        template=one.chain.template,
        kind=one.asked.kind.value,
        debit=account_id(one.debit),
        credit=account_id(one.credit),
        asset=asset,
        amount=one.amount,
        hold_id=hold_id,
        expires_at=one.asked.expires_at,
        debit_sequence=one.debit_after.sequence,
        credit_sequence=one.credit_after.sequence,
        debit_posted=one.debit_after.posted,
        debit_available=one.debit_after.available,
        credit_posted=one.credit_after.posted,
        credit_available=one.credit_after.available,
        effective_at=one.effective_at,
        posted_at=one.posted_at,
        lane=one.chain.lane,
        batch_id="",
        actor=one.chain.actor,
        metadata="{}",
        digest=b"",
    )
