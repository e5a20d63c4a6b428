"""Every kind of event there is: frozen, versioned, ids and states alone."""

from __future__ import annotations

from typing import ClassVar, Final, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Event(BaseModel):
    """Something that happened to one subject. A field that changes its meaning needs a new version.

    Attributes:
        noun: What it happened to; with the state it is the type, such as `payout.paid`.
        version: Of the fields, told with every event.
        subject: The field that names what it happened to.
        leaves_the_house: Whether webhooks tell it; consumers of ours hear everything.
        driver_id, merchant_id, sponsor_id, partner_id: Whom it concerns; never part of what is told.
        once: Names the fact where one event has to stand for many causes; the second is dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    noun: ClassVar[str]
    version: ClassVar[int] = 1
    subject: ClassVar[str]
    leaves_the_house: ClassVar[bool] = True

    state: str
    driver_id: UUID | None = Field(default=None, exclude=True)
    merchant_id: UUID | None = Field(default=None, exclude=True)
    sponsor_id: UUID | None = Field(default=None, exclude=True)
    partner_id: UUID | None = Field(default=None, exclude=True)
    once: str | None = Field(default=None, exclude=True)

    @property
    def type(self) -> str:
        """What happened, such as `payout.paid`."""
        return f"{self.noun}.{self.state}"

    @property
    def subject_id(self) -> UUID:
        """What it happened to; events about one subject keep their order."""
        found = getattr(self, self.subject)
        if not isinstance(found, UUID):
            raise AssertionError("a subject is named by an id")
        return found

    @classmethod
    def types(cls) -> tuple[str, ...]:
        """Return every type that events of this kind have."""
        return tuple(f"{cls.noun}.{state}" for state in get_args(cls.model_fields["state"].annotation))


class SessionEvent(Event):
    """A charging session was judged: it counts, it does not, or a person has to look."""

    noun = "charging_session"
    subject = "session_id"
    state: Literal["verified", "under_review", "rejected"]
    session_id: UUID
    reference: str | None = None
    """The partner's own name for it; None where a person decided."""


class RewardEvent(Event):
    """Points of a campaign for one session: held, given, set free again, or taken back.

    `granted` is final at once, or the end of what was `held`; `released` gave the hold back.
    """

    noun = "reward"
    subject = "session_id"
    state: Literal["held", "granted", "released", "clawed_back"]
    session_id: UUID
    campaign_id: UUID
    points: int


class RedemptionEvent(Event):
    """A code was taken at a register, or points of it were given back."""

    noun = "redemption"
    subject = "redemption_id"
    state: Literal["captured", "partly_refunded", "refunded", "voided"]
    redemption_id: UUID
    points: int
    """What this event moved."""


class PayoutEvent(Event):
    """A payout went on: `paid` may still become `returned` within days."""

    noun = "payout"
    subject = "payout_id"
    state: Literal["requested", "approved", "submitted", "paid", "failed", "returned", "canceled"]
    payout_id: UUID
    amount_minor: int
    currency: str


class CampaignEvent(Event):
    """A campaign could not pay a reward in full since it was last funded, or it is over."""

    noun = "campaign"
    subject = "campaign_id"
    state: Literal["exhausted", "ended"]
    campaign_id: UUID


class SettlementEvent(Event):
    """The period of a merchant was closed; what it comes to is in the settlement."""

    noun = "settlement"
    subject = "settlement_id"
    state: Literal["closed"]
    settlement_id: UUID
    period: str


class ConsentEvent(Event):
    """A user agreed to something, or took it back."""

    noun = "consent"
    subject = "user_id"
    leaves_the_house = False
    state: Literal["given", "withdrawn"]
    user_id: UUID
    purpose: str


class UserEvent(Event):
    """A user was erased, which whoever keeps something of theirs follows; or is reached elsewhere."""

    noun = "user"
    subject = "user_id"
    leaves_the_house = False
    state: Literal["erased", "contacts_changed"]
    user_id: UUID


class EndpointEvent(Event):
    """A test that the owner of a webhook endpoint asked for; it never was in the outbox."""

    noun = "webhook_endpoint"
    subject = "endpoint_id"
    state: Literal["tested"]
    endpoint_id: UUID


EVENTS: Final[tuple[type[Event], ...]] = (
    SessionEvent,
    RewardEvent,
    RedemptionEvent,
    PayoutEvent,
    CampaignEvent,
    SettlementEvent,
    ConsentEvent,
    UserEvent,
)
"""What can stand in the outbox."""

TOLD: Final[tuple[str, ...]] = tuple(
    name for kind in EVENTS if kind.leaves_the_house for name in kind.types()
)
"""The types that webhooks tell."""
