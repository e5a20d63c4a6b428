"""How a request arrives: from where, by what kind of program, and from which device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Header, Request

from nerava.identity.admission import Asker
from nerava.identity.devices import proved_key
from nerava.identity.sessions import Client, Device
from nerava.platform import client_address
from nerava.web.api.wiring import Now, Wired

_PROGRAMS: Final = (("Android", "android"), ("iPhone", "ios"), ("iPad", "ios"), ("Mozilla", "web"))
"""What a `User-Agent` is reduced to; nothing else of it is kept. Phones' browsers count as phones."""

DeviceProof = Annotated[
    str | None,
    Header(
        alias="DPoP",
        min_length=1,
        max_length=2_048,
        description=(
            "Proof of the device's key (RFC 9449): a JWT of type `dpop+jwt`, signed with ES256 or EdDSA, "
            "with `htm`, `htu` (the `iss` of access tokens and the path), `iat`, `jti`, and beside a "
            "refresh token `ath`, its SHA-256 in base64url"
        ),
    ),
]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request, as far as it matters who sent it.

    Attributes:
        place: Where it comes from, for limits and the audit log.
    """

    place: client_address.Client
    method: str
    url: str
    proof: str | None
    now: datetime

    def device_key(self, refresh_token: str | None = None) -> str | None:
        """Return the thumbprint of the key that the request proves to hold; None without a proof.

        Raises:
            InvalidDeviceProof: There is a proof, and it is not one of this request (401).
        """
        if self.proof is None:
            return None
        return proved_key(
            self.proof, method=self.method, url=self.url, now=self.now, refresh_token=refresh_token
        )


async def _arrived(request: Request, wired: Wired, now: Now, proof: DeviceProof = None) -> Arrived:
    place = client_address.client_address(request, wired.trusted_proxies)
    return Arrived(place, request.method, wired.address + request.url.path, proof, now)


Arrival = Annotated[Arrived, Depends(_arrived)]
"""How the request arrived."""


async def _asker(request: Request, arrival: Arrival) -> Asker:
    agent = request.headers.get("user-agent", "")
    program = next((name for word, name in _PROGRAMS if word in agent), "unknown")
    key = arrival.device_key()
    device = None if key is None else Device(key)
    return Asker(arrival.place, Client(program, arrival.place.block), device)


Asking = Annotated[Asker, Depends(_asker)]
"""Who is asking, before anybody has signed in; the device where the request proves its key."""
