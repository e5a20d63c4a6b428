"""Every kind of work that waits for its turn, a provider or a person, in one list."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nerava.charging.telemetry_store import VehicleCharge
from nerava.discovery.refresh_store import AreaRefresh
from nerava.drivers.pass_store import WalletPass
from nerava.grid.model import GridRegion, GridSession
from nerava.identity.message_store import MessageJob, MessageState
from nerava.inbound.model import WAITING, EventState, InboundEvent
from nerava.ledger.alarm_store import BookProof
from nerava.ledger.findings import Finding
from nerava.merchants.model import PosOrder, Redemption
from nerava.outbox.crm_store import CrmContact, CrmContactState, CrmEvent, CrmEventState
from nerava.outbox.model import OutboxConsumer
from nerava.outbox.webhook_store import DeliveryState, WebhookDelivery
from nerava.payouts.model import Payout
from nerava.platform.standing_still import Line
from nerava.rewards.checkout_store import SponsorCheckout, SponsorRefundRow
from nerava.rewards.dispute_cases import unanswered
from nerava.rewards.dispute_store import SponsorDispute
from nerava.rewards.model import RewardGrant
from nerava.rewards.referral_store import Referral
from nerava.rewards.return_store import RewardReceivable
from nerava.rewards.sponsor_stops import WAITS_FOR_A_PERSON as STOP_OR_TROUBLE
from nerava.roaming.model import ObjectState, RoamingObject, RoamingPull, RoamingTokenPush
from nerava.settlements.model import Invoice, Settlement, SettlementPlan
from nerava.tills.model import TillLink, TillOrder, TillProof, TillRefund
from nerava.tills.owing import WAITS_FOR_A_PERSON
from nerava.vehicles.model import VehicleConnect, VehicleFarewell, VehicleLink

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

LATE_MAX: Final = timedelta(hours=1)
"""Work that is due for longer is an alarm: nobody does it."""

_PAYOUT: Final[Any] = Payout
_REDEMPTION: Final[Any] = Redemption
_OBJECT: Final[Any] = RoamingObject
_PULL: Final[Any] = RoamingPull
_PUSH: Final[Any] = RoamingTokenPush

QUEUES: Final = (
    Line(
        "provider events",
        InboundEvent.due_at,
        InboundEvent.state.in_(WAITING),
        InboundEvent.state == EventState.DEAD.value,
    ),
    Line("payments of sponsors", SponsorCheckout.due_at, SponsorCheckout.due_at.is_not(None)),
    Line("refunds to sponsors", SponsorRefundRow.due_at, SponsorRefundRow.due_at.is_not(None)),
    Line("disputed payments", SponsorDispute.due_at, SponsorDispute.due_at.is_not(None), STOP_OR_TROUBLE),
    Line("payouts", _PAYOUT.next_at, _PAYOUT.next_at.is_not(None)),
    Line("settlements to pay", Settlement.next_at, Settlement.next_at.is_not(None)),
    Line("provisional rewards", RewardGrant.due_at, RewardGrant.due_at.is_not(None)),
    Line("purchases near sessions", PosOrder.next_at, PosOrder.next_at.is_not(None)),
    Line("orders at tills to read", TillOrder.next_at, TillOrder.next_at.is_not(None)),
    Line("refunds at tills", TillRefund.next_at, TillRefund.next_at.is_not(None), WAITS_FOR_A_PERSON),
    Line("redemptions without an order", TillProof.next_at, TillProof.next_at.is_not(None)),
    Line("points of sale to look after", TillLink.next_at, TillLink.next_at.is_not(None)),
    Line("cars just connected", VehicleConnect.next_at, VehicleConnect.next_at.is_not(None)),
    Line("cars to be asked", VehicleLink.next_at, VehicleLink.next_at.is_not(None)),
    Line("charges of cars", VehicleCharge.due_at, VehicleCharge.due_at.is_not(None)),
    Line(
        "cars to be disconnected",
        VehicleFarewell.next_at,
        VehicleFarewell.next_at.is_not(None),
        VehicleFarewell.next_at.is_(None),
    ),
    Line("codes shown", _REDEMPTION.due_at, _REDEMPTION.state == "held"),
    Line("referrals to reward", Referral.next_at, Referral.next_at.is_not(None)),
    Line("points still owed by drivers", RewardReceivable.next_at, RewardReceivable.state == "open"),
    Line("periods of merchants", SettlementPlan.next_at, SettlementPlan.next_at.is_not(None)),
    Line("invoices to remind of", Invoice.next_at, Invoice.next_at.is_not(None)),
    Line(
        "webhooks out",
        WebhookDelivery.next_at,
        WebhookDelivery.next_at.is_not(None),
        WebhookDelivery.state == DeliveryState.FAILED.value,
    ),
    Line("readers of events", OutboxConsumer.next_at, OutboxConsumer.trouble.is_not(None)),
    Line(
        "people for customer records",
        CrmContact.next_at,
        CrmContact.next_at.is_not(None),
        CrmContact.state == CrmContactState.PARKED.value,
    ),
    Line(
        "events for customer records",
        CrmEvent.next_at,
        CrmEvent.next_at.is_not(None),
        CrmEvent.state != CrmEventState.WAITING.value,
    ),
    Line("sessions whose grid is not settled", GridSession.next_at, GridSession.next_at.is_not(None)),
    Line("regions of the grid to read", GridRegion.next_at, GridRegion.next_at.is_not(None)),
    Line("wallet passes", WalletPass.next_at, WalletPass.next_at.is_not(None)),
    Line("proofs of the books", BookProof.next_at, BookProof.next_at.is_not(None)),
    Line("charging sites to read", AreaRefresh.due_at, AreaRefresh.due_at.is_not(None)),
    Line(
        "objects of charging networks",
        _OBJECT.due_at,
        _OBJECT.state == ObjectState.WAITING.value,
        _OBJECT.state == ObjectState.GIVEN_UP.value,
    ),
    Line("tokens for charging networks", _PUSH.due_at, _PUSH.due_at.is_not(None)),
    Line("lists of charging networks", _PULL.due_at, _PULL.due_at.is_not(None)),
    Line(
        "messages",
        MessageJob.due_at,
        MessageJob.state == MessageState.WAITING.value,
        MessageJob.state == MessageState.FAILED.value,
    ),
)
"""The most urgent for money first. Tables that hold work and are missing here fail a test."""


def late_work(session: Session, now: datetime) -> list[Finding]:
    """Return every queue in which something has been due for more than an hour, and unanswered disputes."""
    read = [line.read(session, now) for line in QUEUES]
    late = [
        Finding(
            "work-is-done-in-time", one.name, f"{one.late} late, since {one.oldest_due_at:%Y-%m-%d %H:%M}"
        )
        for one in read
        if one.oldest_due_at is not None and one.oldest_due_at <= now - LATE_MAX
    ]
    return [*late, *unanswered(session, now)]
