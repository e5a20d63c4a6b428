"""Working examples of the operations about disputed payments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.rewards.dispute_store import SponsorDispute
from nerava.rewards.disputes import Told, note
from tests.http.example import Example

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy.orm import Session

    from tests.http.conftest import House


def told_of(house: House, dispute: str = "dp_1") -> UUID:
    """Let a provider tell of a dispute and return its id."""
    now = house.installation.clock.now()

    def unit(session: Session) -> UUID:
        note(session, Told("stripe", dispute, "pi_1", is_over=False), now)
        return session.scalars(select(SponsorDispute.id).where(SponsorDispute.dispute == dispute)).one()

    return house.installation.database.run(unit)


def _read(house: House) -> Example:
    missing = {"dispute_id": str(new_id())}
    return Example(house.caller(Role.OPS_FINANCE), {"dispute_id": str(told_of(house))}, missing)


def _lift(house: House) -> Example:
    names, missing = {"dispute_id": str(told_of(house))}, {"dispute_id": str(new_id())}
    return Example(house.caller(Role.OPS_FINANCE), names, missing, {"reason": "seen to"}, keyed=True)


DISPUTE_EXAMPLES: Final[dict[str, Callable[[House], Example]]] = {
    "GET /v1/ops/disputes/{dispute_id}": _read,
    "POST /v1/ops/disputes/{dispute_id}/lift": _lift,
}
