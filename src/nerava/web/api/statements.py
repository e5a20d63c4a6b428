"""Statements of accounts on the wire: lines in plain words, newest first, walked by cursors."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.ledger import reads
from nerava.ledger.templates.adjustment import AdjustmentReason
from nerava.platform.pagination import Page, decode_cursor, encode_cursor
from nerava.rewards.reasons import sentence
from nerava.web.api.stories import AboutOut, abouts_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger import StatementLine

WORDS: Final = {
    ("session_reward", "direct"): "Earned by charging",
    ("session_reward", "hold"): "Reward on its way, waiting for proof",
    ("session_reward", "capture"): "Earned by charging",
    ("session_reward", "release"): "Reward withdrawn",
    ("session_reward", "expire"): "Reward lapsed without proof",
    ("promo_grant", "direct"): "A present from the house",
    ("redemption", "hold"): "Set aside for a code",
    ("redemption", "capture"): "Paid with Nova",
    ("redemption", "release"): "Code given back",
    ("redemption", "expire"): "Code ran out, Nova are back",
    ("redemption_refund", "direct"): "Refund",
    ("driver_cashout", "hold"): "Set aside for a payout",
    ("driver_cashout", "capture"): "Paid out",
    ("driver_cashout", "release"): "Payout cancelled",
    ("driver_cashout", "direct"): "Payout",
    ("clawback", "direct"): "Taken back: the charge turned out smaller",
    ("expiry", "direct"): "Expired",
    ("sponsor_deposit", "direct"): "Deposit",
    ("campaign_funding", "direct"): "Campaign funded",
    ("campaign_refund", "direct"): "Campaign refund",
    ("campaign_refund", "hold"): "Campaign refund on its way",
    ("campaign_refund", "capture"): "Campaign refund paid",
    ("campaign_refund", "release"): "Campaign refund failed, the money is here again",
    ("sponsor_refund", "hold"): "Refund on its way",
    ("sponsor_refund", "capture"): "Refunded",
    ("sponsor_refund", "release"): "Refund failed, the money is here again",
    ("sponsor_refund", "direct"): "Refund came back",
    ("sponsor_dispute", "direct"): "A payment that its payer disputes",
    ("promo_funding", "direct"): "House budget funded",
    ("merchant_settlement", "direct"): "Settlement with a merchant",
    ("merchant_payout", "hold"): "Set aside for a payout to a merchant",
    ("merchant_payout", "capture"): "Payout to a merchant",
    ("merchant_payout", "release"): "Payout to a merchant cancelled",
    ("merchant_payout", "direct"): "Payout to a merchant",
    ("claim_fee", "direct"): "Fee for a claimed perk",
    ("invoice_payment", "direct"): "Invoice paid by bank transfer",
    ("receivable_netting", "direct"): "Invoice paid out of a settlement",
    ("transit", "hold"): "On its way to another part of the books",
    ("transit", "capture"): "Moved to another part of the books",
    ("transit", "release"): "Stayed in this part of the books",
    ("adjustment", "direct"): "Correction",
    ("reversal", "direct"): "Reversal",
}
"""What a template and a kind of transfer mean to somebody who never heard of either."""

ADJUSTED: Final[dict[str, str]] = {
    AdjustmentReason.CORRECTION: "Correction",
    AdjustmentReason.RECONCILIATION: "Correction after a comparison with the provider's book",
    AdjustmentReason.DISPUTE: "A payment that its payer took back",
    AdjustmentReason.WRITE_OFF: "Written off",
    AdjustmentReason.HOUSE_TRANSFER: "Moved between accounts of the house",
}
"""What an adjustment is called by its reason."""


class StatementLineOut(BaseModel):
    """One movement, as the owner of the account sees it. All amounts in whole minor units; 1 Nova is one."""

    sequence: int = Field(description="Number of the movement in this account, dense from 1")
    posted_at: datetime
    effective_at: datetime = Field(description="When it happened in the world")
    text: str
    amount: int = Field(description="Always positive")
    change: int = Field(description="What it did to `posted`; 0 while it is only set aside")
    posted: int = Field(description="Balance after it")
    available: int = Field(description="Of that, not set aside")
    template: str
    kind: str
    transaction_id: UUID


class WalletLineOut(StatementLineOut):
    """One movement of a driver's Nova, and what it was about."""

    about: AboutOut | None = Field(
        description="The charge, redemption or payout behind it, where there is one"
    )


class AccountLineOut(StatementLineOut):
    """One movement, as ops see it: with the other side and the actor."""

    counterparty: str
    actor: str
    key: UUID


def words(template: str, kind: str) -> str:
    """Return what a movement is called on a statement; an unknown one is named after its template."""
    return WORDS.get((template, kind)) or template.replace("_", " ").capitalize()


def page_of_lines(
    session: Session, code: str, *, cursor: str | None, limit: int
) -> tuple[list[StatementLine], str | None]:
    """Return a page of an account's statement, newest first, and the cursor of the next one.

    Raises:
        UnknownAccount: No account has this code (404).
        InvalidInput: The cursor is not one of ours (422).
    """
    place = decode_cursor(cursor, int)
    before = int(place[0]) if place else None
    lines = reads.statement(session, code, before=before, limit=limit + 1, newest_first=True)
    more = len(lines) > limit
    return lines[:limit], encode_cursor(lines[limit - 1].sequence) if more else None


def driver_page(
    session: Session, driver_id: UUID, lines: list[StatementLine], next_cursor: str | None
) -> Page[WalletLineOut]:
    """Return a page as the owner sees it."""
    abouts = abouts_of(session, driver_id, lines)
    items = [WalletLineOut.model_validate(_shared(line) | {"about": abouts.get(line.key)}) for line in lines]
    return Page(items=items, next_cursor=next_cursor)


def ops_page(lines: list[StatementLine], next_cursor: str | None) -> Page[AccountLineOut]:
    """Return a page as ops see it."""
    items = [
        AccountLineOut.model_validate(
            _shared(line) | {"counterparty": line.counterparty, "actor": line.actor, "key": line.key}
        )
        for line in lines
    ]
    return Page(items=items, next_cursor=next_cursor)


def _text(line: StatementLine) -> str:
    """Return what a movement is called; what was taken back or adjusted says why."""
    reason = line.metadata.get("reason")
    if line.template == "clawback" and isinstance(reason, str):
        return sentence(reason, line.metadata.get("facts", {}))
    if line.template == "adjustment" and reason in ADJUSTED:
        return ADJUSTED[reason]
    return words(line.template, line.kind)


def _shared(line: StatementLine) -> dict[str, object]:
    return {
        "sequence": line.sequence,
        "posted_at": line.posted_at,
        "effective_at": line.effective_at,
        "text": _text(line),
        "amount": line.amount,
        "change": line.change,
        "posted": line.posted,
        "available": line.available,
        "template": line.template,
        "kind": line.kind,
        "transaction_id": line.transaction_id,
    }
