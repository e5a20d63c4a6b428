"""Every step of a payout that its owner sees, as an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.outbox.catalogue import PayoutEvent
from nerava.outbox.publishing import publish
from nerava.payouts.states import OwnerKind

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.payouts.model import Payout


def tell(session: Session, payout: Payout, now: datetime) -> None:
    """Publish the state that a payout has just reached, in the transaction that changes it."""
    of_merchant = payout.owner_kind == OwnerKind.MERCHANT.value
    event = PayoutEvent.model_validate(
        {
            "state": payout.state,
            "payout_id": payout.id,
            "amount_minor": payout.amount_minor,
            "currency": payout.currency,
            "merchant_id" if of_merchant else "driver_id": payout.owner_id,
        }
    )
    publish(session, [event], now)
