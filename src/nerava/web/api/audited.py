"""How requests are told to the audit log: who acted, under which role, in which session."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from nerava.audit.switching import Operator
from nerava.identity import acting
from nerava.identity.guard import SignedIn
from nerava.platform.client_address import NOWHERE, client_address
from nerava.platform.problem import reference_of
from nerava.web.api.wiring import Wired


class Actor(acting.Actor):
    """The caller of a request as the audit log names them: opaque ids alone."""

    __slots__ = ()

    @property
    def operator(self) -> Operator:
        """The caller as somebody who works a switch; the person counts, whichever role they use."""
        return Operator(
            str(self.subject),
            self.kind,
            self.acting.role.value,
            self.session_id,
            self.request_id,
            acting.CLIENT,
        )


async def _actor(request: Request, principal: SignedIn, wired: Wired) -> Actor:
    place = client_address(request, wired.trusted_proxies)
    ip_prefix = None if place == NOWHERE else place.block
    return Actor.of(principal, request_id=reference_of(request.scope).trace_id, ip_prefix=ip_prefix)


Acting = Annotated[Actor, Depends(_actor)]
"""The caller, for the audit log."""
