"""Working examples of the operations by which ops correct what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.rewards.model import RewardGrant
from tests.http.example import Example
from tests.http.flows import campaign, fill_promo, partner_session, sponsor, work_off

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import House


def granted(house: House, points: int = 40) -> tuple[UUID, UUID]:
    """Let a driver earn points for a session, and return grant and driver."""
    campaign(sponsor(house, 100_000), 50_000, rules=[{"kind": "fixed", "points": points}])
    body = partner_session(str(new_id()), str(new_id()))
    sent = house.caller(Role.PARTNER).post("/v1/partner/cdrs", body)
    work_off(house)
    driver_id = UUID(sent.json()["driver_id"])
    wanted = select(RewardGrant.id).where(RewardGrant.driver_id == driver_id)
    grant_id = house.installation.database.read(lambda session: session.scalars(wanted).one())
    return grant_id, driver_id


def present(house: House, points: int = 100) -> tuple[str, UUID]:
    """Give a driver a present, and return its transaction and the driver."""
    fill_promo(house, points)
    driver_id = house.driver().tenant_id
    body = {"driver_id": str(driver_id), "points": points, "reason": "thanks"}
    given = house.caller(Role.OPS_FINANCE).post("/v1/ops/goodwill-grants", body, key=str(new_id()))
    return str(given.json()["transaction_id"]), driver_id


def _grant(house: House) -> Example:
    grant_id, _ = granted(house)
    body = {"points": 10, "reason": "mistake"}
    names = {"grant_id": str(grant_id)}
    return Example(house.caller(Role.OPS_FINANCE), names, {"grant_id": str(new_id())}, body, keyed=True)


def _transaction(house: House) -> Example:
    transaction_id, _ = present(house)
    missing, body = {"transaction_id": str(new_id())}, {"reason": "correction"}
    owner = house.caller(Role.OPS_FINANCE)
    return Example(owner, {"transaction_id": transaction_id}, missing, body, keyed=True)


def _posted(house: House) -> Example:
    transaction_id, _ = present(house)
    owner, missing = house.caller(Role.OPS_SUPPORT), {"transaction_id": str(new_id())}
    return Example(owner, {"transaction_id": transaction_id}, missing)


CORRECTION_EXAMPLES: Final[dict[str, Callable[[House], Example]]] = {
    "GET /v1/ops/transactions/{transaction_id}": _posted,
    "POST /v1/ops/grants/{grant_id}/clawbacks": _grant,
    "POST /v1/ops/transactions/{transaction_id}/reversal": _transaction,
}
