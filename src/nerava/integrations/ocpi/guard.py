"""The guard of OCPI's routes: which peer calls, by the token that it presents in base64 or as it is."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi.concurrency import run_in_threadpool

from nerava.identity.errors import InvalidToken, NotSignedIn
from nerava.identity.guard import Knocking, Principal
from nerava.identity.roles import Membership, Role
from nerava.kernel.errors import NeravaError
from nerava.roaming.peers import peer_with_token

if TYPE_CHECKING:
    from starlette.requests import Request

    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database
    from nerava.platform.policy import Policy
    from nerava.roaming.peers import Peer

REGISTER: Final = "ocpi:register"
"""The scope that an invitation covers: versions and credentials."""

EXCHANGE: Final = "ocpi:exchange"
TOKEN_CHARACTERS_MAX: Final = 256


class RoamingOff(NeravaError):
    """OCPI is not set up here."""

    code = "roaming-off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "OCPI is switched off here"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class Calling:
    """Who calls: the peer, and the token that it presented."""

    peer: Peer
    token: str = field(repr=False)


class PeerGuard:
    """Lets the requests of peers through. Leaves `Calling` in `request.state.calling`."""

    def __init__(self, database: Database, clock: Clock, *, is_on: bool) -> None:
        self._database = database
        self._clock = clock
        self._is_on = is_on

    async def __call__(self, request: Request, policy: Policy) -> None:
        """Check one request.

        Raises:
            RoamingOff: OCPI is not set up (503).
            NotSignedIn: No token (401).
            InvalidToken: Nobody has this token, or it is an invitation and opens less (401).
        """
        if not self._is_on:
            raise RoamingOff
        presented = presented_token(request.headers.getlist("authorization"))
        if presented is None:
            raise NotSignedIn
        plain, decoded = presented
        now = self._clock.now()
        found = await run_in_threadpool(
            self._database.read, lambda session: peer_with_token(session, plain, decoded, now)
        )
        if found is None or (found[0].is_invited_only and policy.scope != REGISTER):
            raise InvalidToken
        peer, token = found
        membership = Membership(Role.PARTNER, peer.id)
        request.state.knocking = Knocking(peer.id, (membership,), None)
        request.state.principal = Principal(peer.id, membership, (membership,))
        request.state.calling = Calling(peer, token)


def presented_token(headers: list[str]) -> tuple[str, str | None] | None:
    """Return a token as it was written, and decoded from base64 where it is that; None where there is none.

    What decodes to a line feed at its end, as the specification's own example does, is stripped.
    """
    if len(headers) != 1:
        return None
    scheme, _, text = headers[0].strip().partition(" ")
    text = text.strip()
    if scheme.lower() != "token" or not text or len(text) > TOKEN_CHARACTERS_MAX:
        return None
    try:
        decoded: str | None = base64.b64decode(text, validate=True).decode().strip()
    except (binascii.Error, ValueError):
        decoded = None
    return text, decoded or None
