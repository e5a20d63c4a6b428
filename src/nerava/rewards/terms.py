"""What a campaign promises: window, conditions, limits and rules, as plain values."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from nerava.charging.evidence import EvidenceLevel
from nerava.grid.facts import PATIENCE
from nerava.rewards.holdout import HOLDOUT_PERCENT_MAX
from nerava.rewards.rules import GridCarbon, Multiplier, PercentOfPrice, Rules

FEE_BPS_MAX: Final = 9_000

_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
_Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_Group = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")]
_Level = Annotated[int, Field(ge=1, le=5)]
_Points = Annotated[int, Field(gt=0, le=10**12)]


class CampaignTerms(BaseModel):
    """Everything that decides what a session earns; never changed once the campaign has run.

    Attributes:
        starts_at: A session counts when it begins at or after this and before `ends_at`.
        priority: Between campaigns of equal amount in one stacking group the greater one wins.
        stacking_group: Of the campaigns with the same group a session earns one, the best; None
            means that this one stacks with every other.
        evidence_min: The least evidence level that earns at all, at least 1.
        settle_level: The evidence level from which points are given and no longer only held.
        settle_within_days: How long held points wait for that evidence before they are released.
        score_min: The least verification score, 0 to 100.
        points_expire_after_days: Life of the points from the moment of the grant; None is for ever.
        expired_points_to: Whether the money behind expired points goes back to the `campaign`, its
            fee with it, or stays with the house as `breakage`.
        session_points_max: Cap for one session; what is above is cut.
        driver_day_points_max: Cap for one driver and one local date, the one on which the session
            began at its location.
        driver_points_max: Cap for one driver in all.
        holdout_percent: Share of the drivers, 0 to 50, who earn nothing here so that its effect can
            be measured; who they are, `holdout.py` says.
        fee_bps: The platform's fee inside the gross of each funding, in basis points.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Name
    currency: _Currency = "USD"
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    priority: int = Field(default=0, ge=-1_000, le=1_000)
    stacking_group: _Group | None = None
    evidence_min: _Level = 1
    settle_level: _Level = 4
    settle_within_days: int = Field(default=30, ge=1, le=366)
    score_min: int = Field(default=50, ge=0, le=100)
    points_expire_after_days: int | None = Field(default=None, ge=1, le=3_660)
    expired_points_to: Literal["breakage", "campaign"] = "breakage"
    session_points_max: _Points | None = None
    driver_day_points_max: _Points | None = None
    driver_points_max: _Points | None = None
    holdout_percent: int = Field(default=0, ge=0, le=HOLDOUT_PERCENT_MAX)
    fee_bps: int = Field(default=2_000, ge=0, le=FEE_BPS_MAX)
    rules: Rules

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.ends_at <= self.starts_at:
            message = "a campaign must end after it starts"
            raise ValueError(message)
        if self.settle_level < self.evidence_min:
            message = "the settling evidence must not be weaker than the least evidence"
            raise ValueError(message)
        if all(rule.is_condition or isinstance(rule, Multiplier) for rule in self.rules):
            message = "conditions and multipliers alone earn nothing: at least one rule must give points"
            raise ValueError(message)
        waits = any(isinstance(rule, GridCarbon) for rule in self.rules)
        if waits and self.settle_within_days <= PATIENCE.days:
            message = (
                f"a campaign that waits for what the grid emitted must let evidence take longer than "
                f"{PATIENCE.days} days"
            )
            raise ValueError(message)
        self._check_prices()
        return self

    def _check_prices(self) -> None:
        priced = [rule for rule in self.rules if isinstance(rule, PercentOfPrice)]
        other = next((rule.currency for rule in priced if rule.currency != self.currency), None)
        if other is not None:
            message = f"a share of prices in {other} cannot be paid in {self.currency}: nothing is converted"
            raise ValueError(message)
        if priced and self.settle_level < EvidenceLevel.CDR:
            message = (
                "a price is proven by the operator's record alone, so a campaign that gives a share of it "
                f"settles at level {EvidenceLevel.CDR:d} or above"
            )
            raise ValueError(message)
