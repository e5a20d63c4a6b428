"""A condition: at least so much energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from nerava.rewards.rules.base import Judgement, Rule, passed, refused, thousandths

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class MinimumEnergy(Rule):
    """The session must have delivered a number of watt-hours; exactly that many is enough."""

    is_condition: ClassVar[bool] = True

    kind: Literal["minimum_energy"] = "minimum_energy"
    energy_wh: int = Field(gt=0, le=1_000_000)

    @property
    def promise(self) -> str:
        """The rule in words."""
        return f"At least {thousandths(self.energy_wh)} kWh"

    def judge(self, session: EvidencedSession) -> Judgement:
        """Pass at or above the limit."""
        if session.energy_wh < self.energy_wh:
            return refused("minimum_energy.too_little", energy_wh=session.energy_wh, least_wh=self.energy_wh)
        return passed("minimum_energy.enough", energy_wh=session.energy_wh, least_wh=self.energy_wh)
