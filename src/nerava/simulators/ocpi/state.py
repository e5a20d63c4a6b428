"""What the simulated operators believe."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nerava.simulators.wire import Json

MODULES = ("locations", "sessions", "cdrs", "tariffs")


@dataclass(slots=True)
class Operator:
    """One operator.

    Attributes:
        token_in: What it wants to be presented: an invitation first, then what it gave.
        token_out: What it presents; empty before a registration.
        plain: Whether it writes and wants tokens without base64.
        pushes, lists: Whether it tells what happens, and whether its lists can be read.
        out: Whether its server is down and nothing leaves it.
        zoneless: Whether it writes instants without a zone, which in OCPI means UTC.
        credited_after: How long after a record is written it is taken back; None for never.
        peer: The endpoints of the other side by `module/role`.
        objects: By module and id, in the wire format.
        tokens: The other side's tokens by `type/uid`.
        outgoing: Messages that have not left: method, path below the endpoint, module, body.
    """

    number: str
    country: str
    party: str
    version: str
    token_in: str
    token_out: str = ""
    versions_url: str = ""
    plain: bool = False
    pushes: bool = True
    lists: bool = True
    out: bool = False
    zoneless: bool = False
    credited_after: timedelta | None = None
    serial: int = 0
    peer: dict[str, str] = field(default_factory=dict)
    objects: dict[str, dict[str, Json]] = field(default_factory=lambda: {module: {} for module in MODULES})
    tokens: dict[str, Json] = field(default_factory=dict)
    outgoing: list[Json] = field(default_factory=list)


@dataclass(slots=True)
class OcpiState:
    """All operators by their number, and the key with which their meters sign."""

    operators: dict[str, Operator] = field(default_factory=dict)
    meter_key: int = 1
