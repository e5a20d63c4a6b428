"""Examples of operations by which a sponsor looks at an own campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
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


CAMPAIGN_EXAMPLES: Final[dict[str, Callable[[House], Example]]] = {
    "GET /v1/campaigns/{campaign_id}/burn-down": paid,
    "GET /v1/campaigns/{campaign_id}/burn-down/csv": paid,
    "GET /v1/campaigns/{campaign_id}/grants": paid,
    "GET /v1/campaigns/{campaign_id}/grants/{reference}": granted,
    "GET /v1/campaigns/{campaign_id}/incrementality": paid,
}
