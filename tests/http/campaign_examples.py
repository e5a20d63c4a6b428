"""Examples of operations by which a sponsor looks at an own campaign."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.rewards.model import RewardGrant
from tests.http.example import Example
from tests.http.flows import campaign, partner_session, sponsor, work_off

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import House


def paid(house: House, body: object = None) -> Example:
    """Return a campaign that gave one reward."""
    owner = sponsor(house, 10_000)
    names = {"campaign_id": campaign(owner, 1_000)}
    reference = str(new_id())
    house.caller(Role.PARTNER).post("/v1/partner/cdrs", partner_session(reference, reference))
    work_off(house)
    return Example(owner, names, {"campaign_id": str(new_id())}, body)


def granted(house: House) -> Example:
    """Return the one reward of a campaign."""
    example = paid(house)
    path = f"/v1/campaigns/{example.names['campaign_id']}/grants"
    (grant,) = example.owner.get(path).json()["items"]
    names = {**example.names, "reference": grant["reference"]}
    return Example(example.owner, names, {**example.names, "reference": str(new_id())})


def seen_by_ops(house: House) -> Example:
    """Return a campaign that gave one reward, for support."""
    return replace(paid(house), owner=house.caller(Role.OPS_SUPPORT))


def rewarded(house: House) -> Example:
    """Return a session that earned and its driver, for support."""
    example = paid(house)
    # Several examples share a house: the reward of this one's campaign.
    campaign_id = UUID(example.names["campaign_id"])
    query = select(RewardGrant.driver_id, RewardGrant.session_id).where(
        RewardGrant.campaign_id == campaign_id
    )
    row = house.installation.database.read(lambda session: session.execute(query).one())
    names = {"driver_id": str(row.driver_id), "session_id": str(row.session_id)}
    missing = {name: str(new_id()) for name in names}
    return replace(example, owner=house.caller(Role.OPS_SUPPORT), names=names, missing=missing)


CAMPAIGN_EXAMPLES: Final[dict[str, Callable[[House], Example]]] = {
    "GET /v1/campaigns/{campaign_id}/burn-down": paid,
    "GET /v1/campaigns/{campaign_id}/burn-down/csv": paid,
    "GET /v1/campaigns/{campaign_id}/dry-run": paid,
    "GET /v1/campaigns/{campaign_id}/grants": paid,
    "GET /v1/campaigns/{campaign_id}/grants/{reference}": granted,
    "GET /v1/campaigns/{campaign_id}/incrementality": paid,
    "GET /v1/ops/campaigns/{campaign_id}/dry-run": seen_by_ops,
    "GET /v1/ops/drivers/{driver_id}/decisions": rewarded,
    "GET /v1/ops/drivers/{driver_id}/grants": rewarded,
    "GET /v1/ops/sessions/{session_id}/decision": rewarded,
}
