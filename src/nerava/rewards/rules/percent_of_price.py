"""A share of what the session cost, back in points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from nerava.kernel.currencies import amount_text
from nerava.kernel.money import share_bps
from nerava.rewards.rules.base import POINTS_MAX, Facts, Judgement, Rule, earned, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class PercentOfPrice(Rule):
    """A share of the price that the operator's record tells, rounded down, at most so many points.

    A point is a minor unit of the campaign's currency; a price in another one earns nothing, because
    nothing is converted here. The tax is in it where the record tells the tax. The rule may be asked
    with a price on the operator's mere word: what that gives is held, and the record settles it.
    """

    kind: Literal["percent_of_price"] = "percent_of_price"
    price_bps: int = Field(gt=0, le=10_000, description="Hundredths of a percent of the price: 250 is 2.5 %")
    points_max: int = Field(gt=0, le=POINTS_MAX, description="For one session, however dear it was")
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(
        default="USD", description="That of the campaign"
    )

    @property
    def percent_text(self) -> str:
        """The share as people write it: `2.5`."""
        whole, rest = divmod(self.price_bps, 100)
        return f"{whole}.{rest:02}".rstrip("0").rstrip(".")

    @property
    def promise(self) -> str:
        """The rule in words."""
        return (
            f"{self.percent_text} % of what the operator's record says it cost, "
            f"at most {self.points_max} Nova"
        )

    def promised_points(self, energy_wh: int) -> int:  # noqa: ARG002 - whatever it is
        """Return the most that it gives."""
        return self.points_max

    def judge(self, session: EvidencedSession) -> Judgement:
        """Earn by the price; without one, or in another currency, nothing."""
        price = session.price
        if price is None:
            return refused("percent_of_price.not_known")
        shown = amount_text(price.minor, price.currency)
        facts: Facts = {"price_minor": price.minor, "price": shown, "percent": self.percent_text}
        if price.currency != self.currency:
            return refused("percent_of_price.other_currency", currency=self.currency, **facts)
        points = share_bps(price.minor, self.price_bps)
        if points == 0:
            code = "percent_of_price.too_little" if price.minor else "percent_of_price.free"
            return refused(code, **facts)
        if points > self.points_max:
            return earned(self.points_max, "percent_of_price.most", most=self.points_max, **facts)
        return earned(points, "percent_of_price.share", **facts)
