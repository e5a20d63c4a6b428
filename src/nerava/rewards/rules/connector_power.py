"""A condition: the connector's rated power lies within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nerava.rewards.rules.base import Judgement, Rule, passed, refused, thousandths

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class ConnectorPower(Rule):
    """The connector must be rated at least, at most, or between so many watts, limits included.

    A connector whose power nobody knows does not pass: a campaign for fast charging is not meant
    for everything else.
    """

    is_condition: ClassVar[bool] = True

    kind: Literal["connector_power"] = "connector_power"
    least_w: int = Field(default=0, ge=0, le=10_000_000)
    most_w: int | None = Field(default=None, gt=0, le=10_000_000)

    @model_validator(mode="after")
    def _limits_make_sense(self) -> Self:
        if self.most_w is not None and self.most_w < self.least_w:
            message = "the most must not be below the least"
            raise ValueError(message)
        if self.most_w is None and self.least_w == 0:
            message = "state the least or the most"
            raise ValueError(message)
        return self

    @property
    def promise(self) -> str:
        """The rule in words."""
        if self.most_w is None:
            return f"At connectors of {thousandths(self.least_w)} kW or more"
        if self.least_w == 0:
            return f"At connectors of {thousandths(self.most_w)} kW or less"
        return f"At connectors of {thousandths(self.least_w)} to {thousandths(self.most_w)} kW"

    def judge(self, session: EvidencedSession) -> Judgement:
        """Pass within the limits."""
        power_w = session.power_w_max
        if power_w is None:
            return refused("connector_power.unknown")
        if power_w < self.least_w:
            return refused("connector_power.too_weak", power_w=power_w, least_w=self.least_w)
        if self.most_w is not None and power_w > self.most_w:
            return refused("connector_power.too_strong", power_w=power_w, most_w=self.most_w)
        return passed("connector_power.right", power_w=power_w)
