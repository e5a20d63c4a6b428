"""What every installation has before its first posting: its assets and the house's accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.ledger.chart import house_accounts
from nerava.ledger.service import Asset

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger.service import Ledger

PROVIDERS: Final = ("bank", "stripe")
"""The outside world that money comes from and goes to."""


def install(session: Session, ledger: Ledger, currency: str) -> None:
    """Define Nova and the operator's currency, and open the house's accounts. Repeats safely.

    Raises:
        AccountDiffers: The house was opened with another currency (409).
    """
    ledger.define(session, [Asset("NOVA", 0, "points"), Asset(currency, 2, "cash")])
    ledger.open(session, house_accounts(currency, PROVIDERS))
