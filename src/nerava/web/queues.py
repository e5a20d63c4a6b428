"""Every kind of work that waits for its turn, a provider or a person, in one list."""

from __future__ import annotations

from typing import Any, Final

from nerava.identity.message_store import MessageJob, MessageState
from nerava.inbound.model import WAITING, EventState, InboundEvent
from nerava.merchants.model import Redemption
from nerava.payouts.model import Payout
from nerava.platform.standing_still import Line
from nerava.rewards.checkout_store import SponsorCheckout, SponsorRefundRow
from nerava.rewards.model import RewardGrant

_PAYOUT: Final[Any] = Payout
_REDEMPTION: Final[Any] = Redemption

QUEUES: Final = (
    Line(
        "provider events",
        InboundEvent.due_at,
        InboundEvent.state.in_(WAITING),
        InboundEvent.state == EventState.DEAD.value,
    ),
    Line("payments of sponsors", SponsorCheckout.due_at, SponsorCheckout.due_at.is_not(None)),
    Line("refunds to sponsors", SponsorRefundRow.due_at, SponsorRefundRow.due_at.is_not(None)),
    Line("payouts", _PAYOUT.next_at, _PAYOUT.next_at.is_not(None)),
    Line("provisional rewards", RewardGrant.due_at, RewardGrant.due_at.is_not(None)),
    Line("codes shown", _REDEMPTION.due_at, _REDEMPTION.state == "held"),
    Line(
        "messages",
        MessageJob.due_at,
        MessageJob.state == MessageState.WAITING.value,
        MessageJob.state == MessageState.FAILED.value,
    ),
)
"""The most urgent for money first. Tables that hold work and are missing here fail a test."""
