"""Sponsors and campaigns: create, fund, run, pause, end, and what a campaign has left."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, insert, select, update

from nerava.kernel.ids import new_id
from nerava.kernel.money import FeeRate, Split, split_fee
from nerava.ledger import Status
from nerava.ledger.chart import (
    campaign_budget,
    campaign_budget_account,
    campaign_fee,
    campaign_fee_account,
    sponsor_prepaid_account,
)
from nerava.ledger.reads import balance_now
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.campaign_funding import campaign_funding
from nerava.ledger.templates.sponsor_deposit import sponsor_deposit
from nerava.platform.db.bulk import BulkInsert
from nerava.rewards.checkout_store import CampaignClosing
from nerava.rewards.errors import (
    FundingDiffers,
    InsufficientFunds,
    PostingRefused,
    UnknownCampaign,
    UnknownSponsor,
    WrongCampaignState,
)
from nerava.rewards.evaluation import NO_FEE, RunningCampaign
from nerava.rewards.model import Campaign, CampaignFunding, RewardGrant, Sponsor
from nerava.rewards.returns import owed_to_campaign, returned_of_campaign
from nerava.rewards.rules import read_rules
from nerava.rewards.sponsor_stops import refuse_if_stopped
from nerava.rewards.telling import tell_ended
from nerava.rewards.terms import CampaignTerms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Ledger

_SPONSOR: Final[Any] = Sponsor.__table__
_CAMPAIGN: Final[Any] = Campaign.__table__
_FUNDING: Final[Any] = CampaignFunding.__table__
_GRANT: Final[Any] = RewardGrant.__table__
_CLOSING: Final[Any] = CampaignClosing.__table__
_TERMS: Final = tuple(name for name in CampaignTerms.model_fields if name != "rules")
_FUND: Final = BulkInsert(
    _FUNDING,
    ("id", "campaign_id", "gross", "net", "fee", "fee_bps", "transaction_key", "funded_at"),
    if_new=True,
)


class CampaignState(StrEnum):
    """Whether a campaign takes part in evaluations; only active ones do."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


_MAY_BECOME: Final = {
    CampaignState.ACTIVE: (CampaignState.DRAFT, CampaignState.PAUSED),
    CampaignState.PAUSED: (CampaignState.ACTIVE,),
    CampaignState.ENDED: (CampaignState.DRAFT, CampaignState.ACTIVE, CampaignState.PAUSED),
}


@dataclass(frozen=True, slots=True)
class CampaignMoney:
    """Where the money of a campaign is, in minor units.

    `funded` comes from the payments and `granted` from the grants, everything else from the
    ledger, so `adds_up` compares two independent records.

    Attributes:
        funded: Gross of all payments.
        left: What the budget can still pay.
        held: What provisional rewards reserve of the budget.
        granted: Points that were given and stand, less those whose money came back when they expired.
        owed: Points that were taken back and that their drivers no longer had.
        fee_left: Fee not yet earned, held or not.
        fee_earned: Fee that the platform earned.
        refunded: What went back to the sponsor's deposits when the campaign was closed, fee included.
    """

    funded: int
    left: int
    held: int
    granted: int
    owed: int
    fee_left: int
    fee_earned: int
    refunded: int

    @property
    def adds_up(self) -> bool:
        """Whether every minor unit that came in is accounted for."""
        fees = self.fee_left + self.fee_earned
        points = self.granted + self.owed
        return self.funded == self.left + self.held + points + fees + self.refunded


def create_sponsor(session: Session, ledger: Ledger, *, name: str, currency: str, now: datetime) -> UUID:
    """Make a sponsor known, with an account for deposits in that currency, and return the id."""
    sponsor_id = new_id()
    values = {"id": sponsor_id, "name": name, "currency": currency, "created_at": now}
    session.execute(insert(_SPONSOR).values(values))
    ledger.open(session, [sponsor_prepaid_account(sponsor_id, currency)])
    return sponsor_id


def find_sponsor(session: Session, name: str) -> UUID | None:
    """Return the sponsor of this name who has been here longest, None if there is none."""
    found: UUID | None = session.scalar(
        select(_SPONSOR.c.id).where(_SPONSOR.c.name == name).order_by(_SPONSOR.c.id).limit(1)
    )
    return found


def deposit(
    session: Session,
    ledger: Ledger,
    sponsor_id: UUID,
    *,
    gross: int,
    provider: str,
    checkout_id: str,
    processor_cost: int = 0,
) -> None:
    """Book money that has cleared at a provider. The same checkout counts once.

    Args:
        session: The caller's unit of work.
        ledger: Where to.
        sponsor_id: Whose money it is.
        gross: Minor units of the sponsor's currency.
        provider: Where it cleared; its account must be open.
        checkout_id: The provider's name for the payment.
        processor_cost: Minor units that the provider kept; the house bears them.

    Raises:
        UnknownSponsor: No sponsor has this id (404).
        FundingDiffers: The checkout was booked with another amount or sponsor (409).
        PostingRefused: The amount is not possible, or the provider has no account (409).
    """
    if session.scalar(select(_SPONSOR.c.id).where(_SPONSOR.c.id == sponsor_id)) is None:
        raise UnknownSponsor(f"no sponsor {sponsor_id}")
    chain = sponsor_deposit(
        checkout_id=checkout_id,
        sponsor_id=sponsor_id,
        provider=provider,
        gross=gross,
        processor_cost=processor_cost,
    )
    _post(session, ledger, chain)


def create_campaign(
    session: Session, ledger: Ledger, sponsor_id: UUID, terms: CampaignTerms, now: datetime
) -> UUID:
    """Create a campaign as a draft, with accounts for its budget and its fee, and return the id.

    Terms are never changed afterwards: a promise that people rely on is replaced, not edited.

    Raises:
        UnknownSponsor: No sponsor has this id (404).
        FundingDiffers: The sponsor deposits in another currency (409).
    """
    currency = session.scalar(select(_SPONSOR.c.currency).where(_SPONSOR.c.id == sponsor_id))
    if currency is None:
        raise UnknownSponsor(f"no sponsor {sponsor_id}")
    if currency != terms.currency:
        raise FundingDiffers(f"the sponsor deposits {currency}, the campaign would pay {terms.currency}")
    campaign_id = new_id()
    values = {name: getattr(terms, name) for name in _TERMS}
    rules = [rule.model_dump(mode="json") for rule in terms.rules]
    values |= {"id": campaign_id, "sponsor_id": sponsor_id, "state": CampaignState.DRAFT.value}
    session.execute(insert(_CAMPAIGN).values(**values, rules=rules, created_at=now))
    specs = (
        campaign_budget_account(campaign_id, terms.currency),
        campaign_fee_account(campaign_id, terms.currency),
    )
    ledger.open(session, specs)
    return campaign_id


def fund_campaign(
    session: Session, ledger: Ledger, campaign_id: UUID, *, gross: int, funding_id: UUID, now: datetime
) -> Split:
    """Move deposited money into a campaign and return how it was split. The same id counts once.

    The fee lies inside the gross, at the campaign's rate, rounded down.

    Raises:
        UnknownCampaign: No campaign has this id (404).
        WrongCampaignState: It has ended (409).
        SponsorStopped: A payment of its sponsor is disputed (409).
        InsufficientFunds: The sponsor's deposits do not cover the gross (409).
        FundingDiffers: The funding id was used for something else (409).
        PostingRefused: The fee leaves nothing for the budget (409).
        BadAmount: The gross is negative or not whole (422).
    """
    query = select(_CAMPAIGN.c.sponsor_id, _CAMPAIGN.c.state, _CAMPAIGN.c.fee_bps)
    row = session.execute(query.where(_CAMPAIGN.c.id == campaign_id)).one_or_none()
    if row is None:
        raise UnknownCampaign(f"no campaign {campaign_id}")
    if row.state == CampaignState.ENDED:
        raise WrongCampaignState("a campaign that has ended takes no more money", state=row.state)
    refuse_if_stopped(session, row.sponsor_id)
    split = split_fee(gross, row.fee_bps)
    chain = campaign_funding(
        funding_id=funding_id,
        sponsor_id=row.sponsor_id,
        campaign_id=campaign_id,
        gross=gross,
        fee_bps=row.fee_bps,
    )
    _post(session, ledger, chain)
    _FUND.run(session, [(funding_id, campaign_id, gross, split.net, split.fee, row.fee_bps, chain.key, now)])
    return split


def activate(session: Session, campaign_id: UUID) -> None:
    """Let a funded draft, or a paused campaign, take part in evaluations.

    Raises:
        UnknownCampaign: No campaign has this id (404).
        WrongCampaignState: It is active or ended already, or was never funded (409).
        SponsorStopped: A payment of its sponsor is disputed (409).
    """
    sponsor_id = session.scalar(select(_CAMPAIGN.c.sponsor_id).where(_CAMPAIGN.c.id == campaign_id))
    if sponsor_id is not None:
        refuse_if_stopped(session, sponsor_id)
    funded = select(_FUNDING.c.id).where(_FUNDING.c.campaign_id == campaign_id).limit(1)
    if session.scalar(funded) is None:
        _move(session, campaign_id, CampaignState.ACTIVE, allowed=())
    _move(session, campaign_id, CampaignState.ACTIVE)


def pause(session: Session, campaign_id: UUID) -> None:
    """Keep an active campaign out of evaluations until it is activated again.

    Raises:
        UnknownCampaign: No campaign has this id (404).
        WrongCampaignState: It is not active (409).
    """
    _move(session, campaign_id, CampaignState.PAUSED)


def end(session: Session, campaign_id: UUID, now: datetime) -> None:
    """End a campaign for good; what it holds is still settled.

    Raises:
        UnknownCampaign: No campaign has this id (404).
        WrongCampaignState: It has ended already (409).
    """
    _move(session, campaign_id, CampaignState.ENDED)
    tell_ended(session, campaign_id, now)


def campaigns_running(session: Session) -> list[RunningCampaign]:
    """Return the active campaigns, ready to judge, by id."""
    query = select(_CAMPAIGN).where(_CAMPAIGN.c.state == CampaignState.ACTIVE)
    return _ready(session, session.execute(query.order_by(_CAMPAIGN.c.id)).all())


def campaigns_by_id(session: Session, ids: Iterable[UUID]) -> dict[UUID, RunningCampaign]:
    """Return campaigns whatever their state, ready to judge."""
    rows = session.execute(select(_CAMPAIGN).where(_CAMPAIGN.c.id.in_(set(ids)))).all()
    return {one.id: one for one in _ready(session, rows)}


def fee_rates(session: Session, ids: Iterable[UUID]) -> dict[UUID, FeeRate]:
    """Return the fee that each unit of the campaigns' budgets earns; nothing for unfunded ones."""
    query = select(_FUNDING.c.campaign_id, _FUNDING.c.net, _FUNDING.c.fee)
    splits: dict[UUID, list[Split]] = {}
    for row in session.execute(query.where(_FUNDING.c.campaign_id.in_(list(ids)))):
        splits.setdefault(row.campaign_id, []).append(Split(row.net, row.fee))
    return {key: FeeRate.of(fundings) for key, fundings in splits.items()}


def campaign_money(session: Session, campaign_id: UUID) -> CampaignMoney:
    """Return where the money of a campaign is, on the session's snapshot.

    Raises:
        UnknownAccount: No campaign has this id (404).
    """
    budget = balance_now(session, campaign_budget(campaign_id))
    fee = balance_now(session, campaign_fee(campaign_id))
    funded = select(func.coalesce(func.sum(_FUNDING.c.gross), 0), func.coalesce(func.sum(_FUNDING.c.fee), 0))
    gross, fees = session.execute(funded.where(_FUNDING.c.campaign_id == campaign_id)).one()
    granted = select(func.coalesce(func.sum(_GRANT.c.points), 0)).where(
        _GRANT.c.campaign_id == campaign_id, _GRANT.c.state == "settled"
    )
    closed = select(
        func.coalesce(func.sum(_CLOSING.c.rest), 0), func.coalesce(func.sum(_CLOSING.c.fee_refunded), 0)
    )
    budget_back, fee_back = session.execute(closed.where(_CLOSING.c.campaign_id == campaign_id)).one()
    return CampaignMoney(
        funded=int(gross),
        left=budget.available,
        held=budget.debits_pending,
        granted=int(session.execute(granted).scalar_one()) - returned_of_campaign(session, campaign_id),
        owed=owed_to_campaign(session, campaign_id),
        fee_left=fee.posted,
        fee_earned=int(fees) - fee.posted - int(fee_back),
        refunded=int(budget_back) + int(fee_back),
    )


def _ready(session: Session, rows: Iterable[Row[Any]]) -> list[RunningCampaign]:
    stored = list(rows)
    rates = fee_rates(session, [row.id for row in stored])
    return [RunningCampaign(row.id, terms_of(row), rates.get(row.id, NO_FEE)) for row in stored]


def terms_of(row: Row[Any]) -> CampaignTerms:
    """Return the terms that a campaign's row holds."""
    values = {name: getattr(row, name) for name in _TERMS}
    return CampaignTerms(**values, rules=read_rules(row.rules))


def _post(session: Session, ledger: Ledger, chain: Chain) -> None:
    verdict = ledger.post(session, chain)
    if verdict.ok:
        return
    if verdict.status is Status.INSUFFICIENT:
        raise InsufficientFunds
    if verdict.status is Status.CONFLICT:
        raise FundingDiffers
    if verdict.status is Status.SWITCHED_OFF:
        raise SwitchedOff
    raise PostingRefused(f"the ledger said {verdict.status}", status=verdict.status)


def _move(
    session: Session,
    campaign_id: UUID,
    state: CampaignState,
    *,
    allowed: tuple[CampaignState, ...] | None = None,
) -> None:
    """Change the state if the present one allows it; conditional, so two at once cannot both."""
    before = _MAY_BECOME[state] if allowed is None else allowed
    change = update(_CAMPAIGN).where(_CAMPAIGN.c.id == campaign_id, _CAMPAIGN.c.state.in_(before))
    if session.execute(change.values(state=state.value)).rowcount == 1:  # type: ignore[attr-defined]
        return
    current = session.scalar(select(_CAMPAIGN.c.state).where(_CAMPAIGN.c.id == campaign_id))
    if current is None:
        raise UnknownCampaign(f"no campaign {campaign_id}")
    reason = "it was never funded" if allowed == () else f"it is {current}"
    raise WrongCampaignState(f"the campaign cannot become {state}: {reason}", state=current)
