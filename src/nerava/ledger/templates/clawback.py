"""A granted session turns out not to have earned its points."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Unpack

from nerava.kernel.money import BadAmount
from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PLATFORM_FEES,
    campaign_budget,
    campaign_fee,
    driver_nova,
)
from nerava.ledger.values import chain, transfer

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.templates.session_reward import StandingGrant
    from nerava.ledger.values import Chain


class Clawback(NamedTuple):
    """What can be taken back now, and what the driver owes.

    Attributes:
        chain: The posting, None when the driver has nothing.
        taken: Nova that the chain takes.
        receivable: Nova that are missing; recorded by the caller and taken by a later clawback.
    """

    chain: Chain | None
    taken: int
    receivable: int


class ClawbackFrom(NamedTuple):
    """Whose points are taken.

    Attributes:
        created_by: Key of the transfer that created them (`SessionGrant.lot_key` or
            `captured_lot_key`); what is left of them goes first.
        available: Nova the driver can be debited now, an allowance below 0 included.
    """

    driver_id: UUID
    created_by: UUID
    available: int


def clawback(
    *,
    clawback_id: UUID,
    grant: StandingGrant,
    source: ClawbackFrom,
    points: int,
    **circumstances: Unpack[Circumstances],
) -> Clawback:
    """Return the chain that gives points back to their campaign, as far as the driver has them.

    Never more than `source.available`, and never silently less: what is missing is returned as
    the receivable.

    Key: `clawback:{clawback_id}`; the id belongs to one decision, a credit CDR for example, and
    the recovery of its receivable is another one.
    Transfers: `driver:{id}:nova` -> `nova:issuance`; `nova:reserve` -> `campaign:{id}:budget`;
    `platform:fees` -> `campaign:{id}:fee` (the fee that was earned with them, unless 0).
    Refused: `insufficient` at 0 when the driver has spent points meanwhile: read what is
    available and build it again, the key is still free; `conflict` when the decision was posted
    with another amount.

    Raises:
        BadAmount: No points, or more than what stands of the grant (422).
    """
    if type(points) is not int or not 0 < points <= grant.points - grant.taken:
        raise BadAmount(f"{points!r} cannot be clawed back of {grant.points - grant.taken} that stand")
    taken = min(points, max(0, source.available))
    if taken == 0:
        return Clawback(None, 0, points)
    fee = grant.fee_back(taken)
    posting = chain(
        f"clawback:{clawback_id}",
        transfer(driver_nova(source.driver_id), NOVA_ISSUANCE, taken, lot_of=source.created_by),
        transfer(NOVA_RESERVE, campaign_budget(grant.campaign_id), taken),
        transfer(PLATFORM_FEES, campaign_fee(grant.campaign_id), fee) if fee else None,
        **circumstances,
    )
    return Clawback(posting, taken, points - taken)
