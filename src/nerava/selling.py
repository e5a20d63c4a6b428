"""Points of sale of an installation, put together from its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.integrations.square.connection import Square, SquareAccess
from nerava.integrations.square.events import square_handlers
from nerava.merchants.codes import SecretCodes
from nerava.tills.service import Tills
from nerava.worker import AT_ONCE, MINUTELY, PROVIDERS, SECONDLY, Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nerava.audit import AuditLog
    from nerava.identity.messages import Messages
    from nerava.inbound.events import Handler, Receiver
    from nerava.kernel.clock import Clock
    from nerava.ledger import Ledger
    from nerava.platform.db import Database
    from nerava.platform.outbound import Surroundings
    from nerava.platform.secrets import Secrets
    from nerava.platform.vault import Vault
    from nerava.settings import Settings

RETURN_PATH: Final = "/tills/return"
"""The page of ours to which Square sends people back."""

WEBHOOK_PATH: Final = "/webhooks/square"


@dataclass(frozen=True, slots=True)
class Selling:
    """What reads the tills of merchants; empty where no provider is set up.

    Attributes:
        tills: How tills are linked and read here.
    """

    square: Square | None = None
    tills: Tills | None = None

    @property
    def receivers(self) -> Mapping[str, Receiver]:
        """Who checks what providers tell; one without a key is off."""
        return {} if self.square is None or not self.square.events.is_on else {"square": self.square.events}

    @property
    def handlers(self) -> Mapping[str, Mapping[str, Handler]]:
        """Who works on which events."""
        return {} if self.tills is None else {"square": square_handlers(self.tills.hearing)}

    @property
    def jobs(self) -> Sequence[Job]:
        """The jobs that read what was sold, and what comes of it."""
        if self.tills is None:
            return ()
        return (
            Job("look after points of sale", SECONDLY, self.tills.keeping.run, PROVIDERS),
            Job("read orders at tills", AT_ONCE, self.tills.reading.run, PROVIDERS),
            Job("begin to look for orders of redemptions", MINUTELY, self.tills.matching.enlist),
            Job("match redemptions with orders", SECONDLY, self.tills.matching.run),
            Job("give points back for refunds at tills", SECONDLY, self.tills.refunding.run),
        )

    def close(self) -> None:
        """Close every connection."""
        if self.square is not None:
            self.square.close()


def selling_of(
    settings: Settings,
    held: tuple[Database, Ledger, Vault, Secrets],
    people: tuple[AuditLog, Messages],
    clock: Clock,
    surroundings: Surroundings,
) -> Selling:
    """Return what reads tills here; `people` are told of what happens to their links."""
    given = settings.square
    if given.mode == "off" or given.client_id is None or given.client_secret is None:
        return Selling()
    access = SquareAccess(
        client_id=given.client_id,
        client_secret=settings.live("square.client_secret", clock) or "",
        redirect_uri=given.redirect_uri or f"{settings.address}{RETURN_PATH}",
        webhook_url=given.webhook_url or f"{settings.address}{WEBHOOK_PATH}",
        webhook_keys=settings.live("square.webhook_secrets", clock) or (),
        base_url=given.base_url,
        asks_live=given.mode == "live",
    )
    square = Square(access, now=clock.now, surroundings=surroundings)
    database, ledger, vault, secrets = held
    tills = Tills.of(
        square,
        database=database,
        ledger=ledger,
        vault=vault,
        audit=people[0],
        codes=SecretCodes(secrets),
        tell=people[1].notify,
    )
    return Selling(square, tills)
