"""Everything about vehicles in one process, put together from its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from nerava.vehicles.connecting import Connecting
from nerava.vehicles.discovering import Discovering
from nerava.vehicles.errors import VehiclesOff
from nerava.vehicles.hearing import Hearing
from nerava.vehicles.reading import Reading
from nerava.vehicles.subscribing import Subscribing
from nerava.vehicles.tokens import TokenStore

if TYPE_CHECKING:
    from nerava.audit import AuditLog
    from nerava.identity.factors import Tell
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault
    from nerava.vehicles.ports import Sink, VehicleSubscriptions, VehicleTelemetry


@dataclass(frozen=True, slots=True)
class Vehicles:
    """How cars are connected, looked up, read and heard here.

    Attributes:
        subscribing: Says of which cars the provider is to tell; None where it tells of all.
    """

    connecting: Connecting
    discovering: Discovering
    reading: Reading
    hearing: Hearing
    subscribing: Subscribing | None

    @classmethod
    def of(
        cls,
        telemetry: VehicleTelemetry,
        *,
        database: Database,
        vault: Vault,
        audit: AuditLog,
        sink: Sink,
        tell: Tell,
        subscriptions: VehicleSubscriptions | None = None,
    ) -> Self:
        """Put it together for one provider."""
        tokens = TokenStore(database, vault, telemetry)
        return cls(
            connecting=Connecting(database, vault, audit, telemetry),
            discovering=Discovering(database, vault, telemetry, tokens, tell),
            reading=Reading(database, telemetry, tokens, sink, tell),
            hearing=Hearing(database, sink, tell),
            subscribing=None if subscriptions is None else Subscribing(database, subscriptions, tokens),
        )


def connected(vehicles: Vehicles | None) -> Vehicles:
    """Return what there is.

    Raises:
        VehiclesOff: No provider is connected (503).
    """
    if vehicles is None:
        raise VehiclesOff
    return vehicles
