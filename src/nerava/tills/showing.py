"""What people see of proofs: the order that proves a redemption, or why none does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from nerava.tills.model import TillMatch, TillOrder, TillProof
from nerava.tills.states import REASON_TEXTS, ProofState, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order at a till; amounts in minor units. `amount_minor` is without tip and tax."""

    order_id: str
    amount_minor: int
    tax_minor: int
    tip_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class ProofView:
    """Whether an order proves a redemption, which one, and if none does, why."""

    state: ProofState
    reason: Reason | None
    text: str
    order: OrderView | None


PROVED_TEXT = "Proved by an order at the till."


def proofs_of(session: Session, redemption_ids: Sequence[UUID]) -> dict[UUID, ProofView]:
    """Return what is known of redemptions; those at places without a till are missing."""
    query = (
        select(TillProof, TillOrder)
        .outerjoin(TillMatch, TillMatch.redemption_id == TillProof.redemption_id)
        .outerjoin(TillOrder, TillOrder.id == TillMatch.order_id)
        .where(TillProof.redemption_id.in_(redemption_ids))
    )
    return {row[0].redemption_id: _view(row[0], row[1]) for row in session.execute(query)}


def _view(proof: TillProof, order: TillOrder | None) -> ProofView:
    reason = None if proof.reason is None else Reason(proof.reason)
    shown = None
    if order is not None:
        shown = OrderView(
            order.external_id, order.amount_minor, order.tax_minor, order.tip_minor, order.currency or ""
        )
    text = PROVED_TEXT if reason is None else REASON_TEXTS[reason]
    return ProofView(ProofState(proof.state), reason, text, shown)
