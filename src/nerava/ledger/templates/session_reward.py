"""A campaign rewards a driver for one charging session.

One session is granted by one campaign once. Evidence that is final already is posted directly;
provisional evidence is posted as a hold that is captured, released or expires. **Both ways have
the same key** and other bodies, so whichever comes second is answered `conflict` and a session
cannot be granted twice by the two ways; the caller then captures or releases the hold that
stands. The key stays used after a release or an expiry too: evidence that comes after the deadline
grants nothing any more.

The steps that end a hold have keys of their own, and the ledger lets only one of them have it:
the others are told `hold_resolved`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

from nerava.kernel.ids import fact_id
from nerava.kernel.money import BadAmount, prorate
from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PLATFORM_FEES,
    campaign_budget,
    campaign_fee,
    driver_nova,
)
from nerava.ledger.values import (
    LotTerms,
    capture,
    chain,
    expire,
    hold,
    release,
    transfer,
    transfer_key,
)

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain, Transfer

_VALUE, _POINTS, _FEE = range(3)
"""Where the legs stand, in the grant as in every step that ends its hold."""


@dataclass(frozen=True, slots=True)
class SessionGrant:
    """What a campaign grants for a session; of a hold, what it reserved.

    Attributes:
        points: Nova for the driver, and their value in minor units taken from the budget.
        fee_share: What the platform earns with it, from `FeeRate.share`; 0 for none.
        points_expire_at: When the points expire, aware UTC; None means never.
    """

    campaign_id: UUID
    session_id: UUID
    driver_id: UUID
    points: int
    fee_share: int = 0
    points_expire_at: datetime | None = None

    @property
    def fact(self) -> str:
        """What the key is derived from."""
        return f"session_reward:{self.campaign_id}:{self.session_id}"

    @property
    def lot(self) -> LotTerms:
        """Terms of the points."""
        return LotTerms(f"campaign:{self.campaign_id}", self.points_expire_at)

    @property
    def lot_key(self) -> UUID:
        """Key of the transfer that created the points, if they were granted directly."""
        return transfer_key(fact_id(self.fact), _POINTS)

    @property
    def captured_lot_key(self) -> UUID:
        """Key of the transfer that created the points, if they were captured from a hold."""
        return transfer_key(fact_id(f"{self.fact}:capture"), _POINTS)

    def reduced_to(self, points: int) -> SessionGrant:
        """Return the grant as it stands after a capture of `points`, its fee share rounded down.

        Raises:
            BadAmount: More points than are granted, negative or not whole (422).
        """
        return replace(self, points=points, fee_share=prorate(self.fee_share, points, self.points))

    def held(self, position: int) -> UUID:
        """Return the key of the hold at `position` of the grant."""
        return transfer_key(fact_id(self.fact), position)


@dataclass(frozen=True, slots=True)
class StandingGrant:
    """A posted grant and what has been taken back of it so far.

    Attributes:
        points: Nova that were granted, by a capture the captured ones.
        fee_share: What the platform earned with them.
        taken: Nova that a clawback or an expiry has given back to the campaign already.
    """

    campaign_id: UUID
    points: int
    fee_share: int = 0
    taken: int = 0

    def fee_back(self, points: int) -> int:
        """Return the fee that goes back with `points`, in minor units.

        What remains earned is the share of what remains granted, rounded down; so the parts of
        a grant that is taken back in steps add up to its whole fee, and the campaign can always
        pay the fee of what it grants again with the returned budget.

        Raises:
            BadAmount: More than what stands, negative or not whole (422).
        """
        standing = self.points - self.taken
        if type(points) is not int or not 0 <= points <= standing:
            raise BadAmount(f"{points!r} cannot be taken back of {standing} that stand")
        earned = prorate(self.fee_share, standing, self.points)
        return earned - prorate(self.fee_share, standing - points, self.points)


def session_reward(grant: SessionGrant, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that turns campaign cash into backed points.

    Every point is paid into the reserve before it exists. A second evaluation of the session
    posts nothing.

    Key: `session_reward:{campaign}:{session}`.
    Transfers: `campaign:{id}:budget` -> `nova:reserve` (value); `nova:issuance` ->
    `driver:{id}:nova` (points, a lot of source `campaign:{id}`); `campaign:{id}:fee` ->
    `platform:fees` (its share, unless 0).
    Precondition: the evidence is final.
    Refused: `insufficient` at 0 when the budget cannot pay all of it; `conflict` when the session
    is held provisionally or was granted another amount.
    """
    campaign, driver = grant.campaign_id, grant.driver_id
    return chain(
        grant.fact,
        transfer(campaign_budget(campaign), NOVA_RESERVE, grant.points),
        transfer(NOVA_ISSUANCE, driver_nova(driver), grant.points, lot=grant.lot),
        transfer(campaign_fee(campaign), PLATFORM_FEES, grant.fee_share) if grant.fee_share else None,
        **circumstances,
    )


def session_reward_hold(
    grant: SessionGrant, *, settle_by: datetime, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain that reserves a reward while its evidence is provisional.

    Key, legs and refusals as `session_reward`, each leg a hold: the budget and the fee cannot be
    spent on anything else, and the driver sees the points as pending. From `settle_by` (aware
    UTC) on it can only be released or expired.
    """
    campaign, driver = grant.campaign_id, grant.driver_id
    legs = (
        hold(campaign_budget(campaign), NOVA_RESERVE, grant.points, expires_at=settle_by),
        hold(NOVA_ISSUANCE, driver_nova(driver), grant.points, expires_at=settle_by),
        hold(campaign_fee(campaign), PLATFORM_FEES, grant.fee_share, expires_at=settle_by)
        if grant.fee_share
        else None,
    )
    return chain(grant.fact, *legs, **circumstances)


def session_reward_capture(
    grant: SessionGrant, *, points: int | None = None, **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain that makes a provisional reward final, in full or reduced to `points`.

    All legs are reduced alike; the fee is prorated and rounded down, and the rest of every leg
    goes back. To pay nothing, release it.

    Key: `session_reward:{campaign}:{session}:capture`.
    Transfers: a capture of each hold, or the release of the fee's when it rounds to 0.
    Refused: `hold_not_found`, `hold_resolved` (captured otherwise, released or expired),
    `hold_expired`; `conflict` when it was captured with another number of points.

    Raises:
        BadAmount: More points than are held, negative or not whole (422).
    """
    # Spelt out even when it is all of them, so that both ways to say so are one fingerprint.
    kept = grant.reduced_to(grant.points if points is None else points)
    return chain(
        f"{grant.fact}:capture",
        capture(grant.held(_VALUE), kept.points),
        capture(grant.held(_POINTS), kept.points, lot=grant.lot),
        _end_fee(grant, kept.fee_share),
        **circumstances,
    )


def session_reward_release(grant: SessionGrant, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that gives a provisional reward back to its campaign.

    Key: `session_reward:{campaign}:{session}:release`.
    Transfers: a release of each hold.
    Refused: `hold_not_found`, `hold_resolved`.
    """
    legs = [release(key) for key in _held(grant)]
    return chain(f"{grant.fact}:release", *legs, **circumstances)


def session_reward_expire(grant: SessionGrant, **circumstances: Unpack[Circumstances]) -> Chain:
    """Return the chain that ends a provisional reward whose deadline has passed.

    Key: `session_reward:{campaign}:{session}:expire`.
    Transfers: an expiry of each hold.
    Refused: `hold_not_found`, `hold_resolved`, `hold_not_due` before the deadline.
    """
    legs = [expire(key) for key in _held(grant)]
    return chain(f"{grant.fact}:expire", *legs, **circumstances)


def _end_fee(grant: SessionGrant, earned: int) -> Transfer | None:
    if not grant.fee_share:
        return None
    return capture(grant.held(_FEE), earned) if earned else release(grant.held(_FEE))


def _held(grant: SessionGrant) -> list[UUID]:
    positions = (_VALUE, _POINTS, _FEE) if grant.fee_share else (_VALUE, _POINTS)
    return [grant.held(one) for one in positions]
