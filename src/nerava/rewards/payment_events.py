"""What a payment provider tells about sponsors' payments: hints that something is worth reading now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import select

from nerava.inbound.events import Handled
from nerava.rewards import checkout_store as store
from nerava.rewards.checkout_store import SponsorCheckout, SponsorRefundRow
from nerava.rewards.checkouts import hint_of_checkout
from nerava.rewards.disputes import Told, note

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.inbound.events import Handler, ProviderEvent
    from nerava.platform.db import Database

_R: Final[Any] = SponsorRefundRow
_ENDED_WELL: Final = frozenset({"won", "warning_closed"})


def payment_handlers(database: Database) -> Mapping[str, Handler]:
    """Return who works on events about checkouts, payments, refunds and disputes, by how their kind begins.

    An event never moves money: it makes a row due, and the provider is read. One about a dispute
    stops the sponsor besides, which harms nobody if it turns out not to be so.
    """
    hint = hint_of_checkout(database)

    def on_checkout(event: ProviderEvent, now: datetime) -> Handled:
        return Handled.DONE if hint(event.object_id, now) else Handled.LATER

    def on_payment(event: ProviderEvent, now: datetime) -> Handled:
        try:
            checkout_id = UUID(str(_metadata(event).get("reference")))
        except ValueError:
            return Handled.IGNORED

        def work(session: Session) -> int:
            return store.hasten(session, SponsorCheckout, [checkout_id], now)

        return Handled.DONE if database.run(work, repeatable=True) else Handled.IGNORED

    def on_refund(event: ProviderEvent, now: datetime) -> Handled:
        def work(session: Session) -> int:
            found = session.scalars(select(_R.id).where(_R.refund == event.object_id)).all()
            return store.hasten(session, SponsorRefundRow, found, now)

        return Handled.DONE if database.run(work, repeatable=True) else Handled.LATER

    def on_dispute(event: ProviderEvent, now: datetime) -> Handled:
        if not event.object_id:
            return Handled.IGNORED
        about = _object(event)
        payment, is_over = about.get("payment_intent"), about.get("status") in _ENDED_WELL
        named = payment if isinstance(payment, str) else None
        told = Told(event.provider, event.object_id, named, is_over)
        database.run(lambda session: note(session, told, now), repeatable=True)
        return Handled.DONE

    return {
        "checkout.session.": on_checkout,
        "payment_intent.": on_payment,
        "refund.": on_refund,
        "charge.dispute.": on_dispute,
    }


def _object(event: ProviderEvent) -> Mapping[str, Any]:
    data = event.body.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _metadata(event: ProviderEvent) -> Mapping[str, Any]:
    found = _object(event).get("metadata")
    return found if isinstance(found, dict) else {}
