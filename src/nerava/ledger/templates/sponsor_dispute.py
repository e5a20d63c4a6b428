"""A payer disputes the payment of a deposit: its bank takes the money back, and sometimes returns it.

Whatever the money has become since, nothing is taken from those who have it: points stay backed
and drivers keep them. The sponsor owes what was taken; what it has not spent pays for that once
the dispute is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Unpack

from nerava.ledger.chart import (
    PLATFORM_ADJUSTMENTS,
    PROCESSOR_FEES,
    external,
    sponsor_prepaid,
    sponsor_receivable,
)
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain, Transfer

_TEMPLATE = "sponsor_dispute"


@dataclass(frozen=True, slots=True)
class Disputed:
    """Whose payment is disputed at which provider, and what the provider calls the dispute."""

    provider: str
    dispute: str
    sponsor_id: UUID

    @property
    def fact(self) -> str:
        """What the keys are derived from."""
        return f"sponsor_dispute:{self.provider}:{self.dispute}"


class Returned(NamedTuple):
    """Where money goes that a bank returns, in minor units.

    Attributes:
        owed: Pays what the sponsor still owes for it.
        deposits: What the sponsor had paid for it out of its deposits.
        house: What the house had given up.
    """

    owed: int
    deposits: int
    house: int


def sponsor_dispute_taken(
    disputed: Disputed, movement: str, *, amount: int, cost: int, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain for money that a payer's bank has taken back.

    Key: `sponsor_dispute:{provider}:{dispute}:{movement}`, the provider's name for its own line, so
    that it counts once however often and in whatever order it is told.
    Transfers: `sponsor:{id}:receivable` -> `external:{provider}` (amount), unless 0;
    `processor:fees` -> `external:{provider}` (cost: what the provider charges for the dispute, the
    house bears it), unless 0. At least one of the two is not 0.
    """
    source = external(disputed.provider)
    return chain(
        f"{disputed.fact}:{movement}",
        transfer(sponsor_receivable(disputed.sponsor_id), source, amount) if amount else None,
        _cost(source, cost),
        template=_TEMPLATE,
        **circumstances,
    )


def sponsor_dispute_returned(
    disputed: Disputed,
    movement: str,
    *,
    returned: Returned,
    cost: int,
    **circumstances: Unpack[Circumstances],
) -> Chain:
    """Return the chain for money that a payer's bank has given back to us.

    Key: `sponsor_dispute:{provider}:{dispute}:{movement}`, as of the line that took it.
    Transfers: `external:{provider}` -> `sponsor:{id}:receivable`, -> `sponsor:{id}:prepaid` and ->
    `platform:adjustments`, each unless 0; the provider's cost as for what was taken, from
    `external:{provider}` to `processor:fees` where it is negative.
    Refused: above the ceiling when the sponsor owes less than `returned.owed`.
    """
    source = external(disputed.provider)
    places = (
        (sponsor_receivable(disputed.sponsor_id), returned.owed),
        (sponsor_prepaid(disputed.sponsor_id), returned.deposits),
        (PLATFORM_ADJUSTMENTS, returned.house),
    )
    return chain(
        f"{disputed.fact}:{movement}",
        *(transfer(source, place, amount) for place, amount in places if amount),
        _cost(source, cost),
        template=_TEMPLATE,
        **circumstances,
    )


def sponsor_dispute_collected(
    disputed: Disputed, collection_id: UUID, *, amount: int, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain that pays what a sponsor owes for a lost dispute out of its deposits.

    Key: `sponsor_dispute:{provider}:{dispute}:collected:{collection_id}`.
    Transfers: `sponsor:{id}:prepaid` -> `sponsor:{id}:receivable`.
    Refused: `insufficient` when less is deposited; above the ceiling when less is owed.
    """
    leg = transfer(sponsor_prepaid(disputed.sponsor_id), sponsor_receivable(disputed.sponsor_id), amount)
    return chain(f"{disputed.fact}:collected:{collection_id}", leg, template=_TEMPLATE, **circumstances)


def _cost(source: str, cost: int) -> Transfer | None:
    if cost == 0:
        return None
    return transfer(PROCESSOR_FEES, source, cost) if cost > 0 else transfer(source, PROCESSOR_FEES, -cost)
