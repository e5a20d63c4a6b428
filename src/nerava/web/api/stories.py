"""What a movement in a driver's wallet was about: the charge, the redemption or the payout behind it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.charging.queries import location_names
from nerava.ledger.reads import chains_behind
from nerava.merchants.queries import redemptions_behind
from nerava.payouts.queries import payouts_behind
from nerava.rewards.queries import sessions_behind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.ledger import StatementLine


class AboutKind(StrEnum):
    """What a movement can be about."""

    SESSION = "session"
    REDEMPTION = "redemption"
    PAYOUT = "payout"


class AboutOut(BaseModel):
    """What a movement was about; ask for it by its id."""

    kind: AboutKind
    id: UUID
    text: str = Field(description="Where it was: the charger, or the merchant; empty for a payout")


def abouts_of(session: Session, driver_id: UUID, lines: Sequence[StatementLine]) -> dict[UUID, AboutOut]:
    """Return what movements of a driver were about, by their keys; presents are about nothing."""
    began = chains_behind(session, [line.key for line in lines])
    chains = set(began.values())
    sessions = sessions_behind(session, driver_id, chains)
    names = location_names(session, set(sessions.values()))
    known = {
        chain: AboutOut(kind=AboutKind.SESSION, id=one, text=names.get(one, ""))
        for chain, one in sessions.items()
    }
    for chain, shown in redemptions_behind(session, driver_id, chains).items():
        known[chain] = AboutOut(kind=AboutKind.REDEMPTION, id=shown.id, text=shown.merchant_name)
    for chain, payout_id in payouts_behind(session, driver_id, chains).items():
        known[chain] = AboutOut(kind=AboutKind.PAYOUT, id=payout_id, text="")
    return {key: known[chain] for key, chain in began.items() if chain in known}
