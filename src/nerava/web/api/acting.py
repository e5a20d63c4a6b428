"""The caller of a request as whoever does something about access."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from nerava.identity.acting import Actor
from nerava.identity.guard import SignedIn
from nerava.platform.client_address import NOWHERE, client_address
from nerava.platform.problem import trace_id_of
from nerava.web.api.wiring import Wired


async def _actor(request: Request, principal: SignedIn, wired: Wired) -> Actor:
    place = client_address(request, wired.trusted_proxies)
    ip_prefix = None if place == NOWHERE else place.block
    return Actor.of(principal, request_id=trace_id_of(request.scope), ip_prefix=ip_prefix)


Acts = Annotated[Actor, Depends(_actor)]
"""The caller, under the role of this request."""
