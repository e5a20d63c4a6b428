"""OCPI of one installation, put together from plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.integrations.ocpi.api import PeerApi
from nerava.integrations.ocpi.handshake import Handshake, Own
from nerava.integrations.ocpi.pulling import Pulling
from nerava.integrations.ocpi.pushing import TokenPushing
from nerava.integrations.ocpi.receiving import Receiving
from nerava.integrations.ocpi.working import ObjectWork

if TYPE_CHECKING:
    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database
    from nerava.platform.outbound import Surroundings
    from nerava.platform.vault import Vault


class Roaming:
    """Everything that OCPI is here: what peers may ask, what we ask of them, and what follows.

    Attributes:
        needs_location: Whether an authorization without a location is refused.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        own: Own,
        *,
        local: bool = False,
        needs_location: bool = False,
        surroundings: Surroundings | None = None,
    ) -> None:
        """Prepare it; nothing is sent before the first call.

        Args:
            database: Where peers and their objects are.
            vault: Seals what we present to peers.
            clock: The time.
            own: Who we are to peers.
            local: Peers are simulators on this machine.
            needs_location: Whether an authorization must say where.
            surroundings: What the calls of this process share.
        """
        self.own = own
        self.needs_location = needs_location
        self._api = PeerApi(now=clock.now, local=local, surroundings=surroundings)
        self.receiving = Receiving(database)
        self.handshake = Handshake(database, vault, self._api, own)
        self.work = ObjectWork(database, (own.country_code, own.party_id))
        self.pulling = Pulling(database, vault, self._api, self.receiving, own)
        self.pushing = TokenPushing(database, vault, self._api, own)

    def close(self) -> None:
        """Close the connections to peers."""
        self._api.close()
