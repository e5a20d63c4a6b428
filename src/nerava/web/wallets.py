"""What drivers have, read for many of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.ledger import UnknownAccount
from nerava.ledger.chart import driver_nova
from nerava.ledger.lot_reads import ExpiringPoints, expiring_next_of
from nerava.ledger.reads import AccountBalance, balances_now
from nerava.platform.gathering import Gathering

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

EXPIRIES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class WalletView:
    """What a driver has as of one instant, and what of it expires next, the soonest first."""

    balance: AccountBalance
    expiring: Sequence[ExpiringPoints]


class Wallets:
    """Looks into wallets; those who ask at the same time share one snapshot."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: Gathering[UUID, WalletView] = Gathering(self._read)

    async def of(self, driver_id: UUID) -> WalletView:
        """Return what a driver has now.

        Raises:
            UnknownAccount: The driver has no wallet (404).
        """
        return await self._asked.ask(driver_id)

    def _read(self, driver_ids: Sequence[UUID]) -> list[WalletView | Exception]:
        codes = {one: driver_nova(one) for one in driver_ids}

        def look(session: Session) -> list[WalletView | Exception]:
            balances = balances_now(session, list(codes.values()))
            expiring = expiring_next_of(session, list(balances), limit=EXPIRIES_SHOWN)
            return [
                WalletView(balances[code], expiring.get(code, ()))
                if code in balances
                else UnknownAccount(f"no account {code!r}")
                for code in (codes[one] for one in driver_ids)
            ]

        return self._database.read(look)
