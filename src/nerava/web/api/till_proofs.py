"""How a redemption's order at the till is shown: to the merchant, and on the driver's receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field

from nerava.tills.states import ProofState, Reason

if TYPE_CHECKING:
    from nerava.tills.showing import ProofView


class TillOrderOut(BaseModel):
    """An order at the till; amounts in minor units."""

    model_config = ConfigDict(from_attributes=True)

    order_id: str = Field(description="The provider's name for it")
    amount_minor: int = Field(description="After discounts, without tax and tip")
    tax_minor: int
    tip_minor: int
    currency: str


class TillProofOut(BaseModel):
    """Whether an order at the till proves a redemption, and if none does, why."""

    state: ProofState = Field(description="`waiting`: one may still come")
    reason: Reason | None = Field(description="Why no order proves it")
    text: str = Field(description="The same for people")
    order: TillOrderOut | None

    @classmethod
    def of(cls, found: ProofView | None) -> Self | None:
        """Return what is shown; null at places without a till."""
        if found is None:
            return None
        order = None if found.order is None else TillOrderOut.model_validate(found.order)
        return cls(state=found.state, reason=found.reason, text=found.text, order=order)
