"""Working examples of operations about charging networks and drivers' tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.roaming import peers, tokens
from tests.http.example import Example

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import House


def _peer(house: House) -> Example:
    now = house.installation.clock.now()
    peer_id, _ = house.installation.database.run(lambda session: peers.invite(session, "Example", now=now))
    return Example(house.caller(Role.OPS_ADMIN), {"peer_id": str(peer_id)}, {"peer_id": str(new_id())})


def _token(house: House) -> Example:
    owner, now = house.driver(), house.installation.clock.now()
    token_id = house.installation.database.run(lambda session: tokens.issue(session, owner.tenant_id, now).id)
    return Example(owner, {"token_id": str(token_id)}, {"token_id": str(new_id())})


ROAMING_EXAMPLES: dict[str, Callable[[House], Example]] = {
    "DELETE /v1/me/charging-tokens/{token_id}": _token,
    "DELETE /v1/ops/roaming/peers/{peer_id}": _peer,
    "POST /v1/ops/roaming/peers/{peer_id}/readings": _peer,
}
