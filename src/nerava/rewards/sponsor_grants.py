"""The grants of a campaign as its sponsor may see them: why and how much, not who, where or at what hour."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, tuple_

from nerava.drivers.nobody import NOBODY
from nerava.rewards.decisions import from_document
from nerava.rewards.errors import UnknownGrant
from nerava.rewards.evaluation import Outcome
from nerava.rewards.model import RewardDecision, RewardGrant
from nerava.rewards.queries import PAGE_MAX, RuleReason
from nerava.rewards.reasons import sentence

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.platform.vault import Vault

_G: Final[Any] = RewardGrant.__table__.c
_DECISION: Final[Any] = RewardDecision.__table__.c
_PSEUDONYM_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class SponsorGrant:
    """A grant for its sponsor.

    Attributes:
        reference: Names the grant. It is the key of its posting, a hash: an id would tell the instant.
        driver: The driver's pseudonym in this campaign; None once the grant names nobody.
        on: Local date of the session, the finest time that is told.
        points: What stands now; `points_granted` is what was given or held at first.
    """

    reference: UUID
    driver: str | None
    on: str
    state: str
    points: int
    points_granted: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class GrantWhy:
    """A grant, and what every rule of the campaign said."""

    grant: SponsorGrant
    evidence_level: int
    rules: tuple[RuleReason, ...]


def pseudonym(vault: Vault, campaign_id: UUID, driver_id: UUID) -> str | None:
    """Return a driver's name in one campaign: 16 letters and digits under the installation's key.

    The same driver has another name in every campaign, and nobody without the key can make one.
    """
    if driver_id == NOBODY:
        return None
    digest = vault.index(f"campaign-driver:{campaign_id}", str(driver_id))
    return base64.b32encode(digest[:_PSEUDONYM_BYTES]).decode().lower()


def grants_of_campaign(
    session: Session,
    vault: Vault,
    campaign_id: UUID,
    *,
    before: tuple[str, UUID] | None = None,
    limit: int = 50,
) -> list[SponsorGrant]:
    """Return grants by local date, the latest first, within a date in an order that means nothing.

    Neither hour nor place is told, of however many drivers: under a pseudonym that stays the same
    they would add up to a trail.
    """
    query = select(RewardGrant.__table__).where(_G.campaign_id == campaign_id)
    if before is not None:
        query = query.where(tuple_(_G.local_date, _G.transaction_key) < before)
    latest = query.order_by(_G.local_date.desc(), _G.transaction_key.desc()).limit(min(limit, PAGE_MAX))
    return [_shown(vault, row) for row in session.execute(latest)]


def why(session: Session, vault: Vault, campaign_id: UUID, reference: UUID) -> GrantWhy:
    """Return why a grant of the campaign was given.

    Raises:
        UnknownGrant: The campaign has none of this reference (404).
    """
    query = select(RewardGrant.__table__).where(
        _G.transaction_key == reference, _G.campaign_id == campaign_id
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise UnknownGrant(f"no grant {reference}")
    decisions = select(_DECISION.evidence_level, _DECISION.outcomes).where(
        _DECISION.session_id == row.session_id
    )
    given = (Outcome.GRANTED, Outcome.HELD)
    for stored in session.execute(decisions.order_by(_DECISION.evaluation)):
        for one in from_document(stored.outcomes):
            if one.campaign_id == campaign_id and one.outcome in given:
                rules = tuple(
                    RuleReason(rule.answer.value, rule.code, sentence(rule.code, rule.facts), rule.points)
                    for rule in one.judgements
                )
                return GrantWhy(_shown(vault, row), stored.evidence_level, rules)
    raise AssertionError("a grant has its decision")


def _shown(vault: Vault, row: Any) -> SponsorGrant:  # noqa: ANN401 - a row of the table
    code = row.settlement_reason or "campaign.earned"
    facts = {"points": row.points, "held": row.points_granted}
    return SponsorGrant(
        row.transaction_key,
        pseudonym(vault, row.campaign_id, row.driver_id),
        row.local_date,
        row.state,
        row.points,
        row.points_granted,
        code,
        sentence(code, facts),
    )
