"""What lies at a provider, by its book and by ours; they differ by what is under way and by nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from nerava.kernel.outcomes import Ok
from nerava.ledger.chart import external
from nerava.payouts.errors import ProviderUnsure
from nerava.payouts.model import Payout
from nerava.payouts.states import IN_CLEARING
from nerava.rewards.checkout_store import RefundState, SponsorCheckout, SponsorRefundRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.payouts.ports import PayoutProvider
    from nerava.platform.db import Database

_P: Final[Any] = Payout
_C: Final[Any] = SponsorCheckout
_R: Final[Any] = SponsorRefundRow


@dataclass(frozen=True, slots=True)
class Total:
    """What lies at a provider, in minor units of one currency.

    Attributes:
        theirs: All lines of the provider's book, fees taken off.
        ours: What the ledger says came in and did not go out.
        under_way: What the provider has sent and our book has not: payouts and refunds without their end.
    """

    provider: str
    currency: str
    theirs: int
    ours: int
    under_way: int

    @property
    def differs_by(self) -> int:
        """What nothing explains; 0, always."""
        return self.ours - self.under_way - self.theirs


def total_at(
    database: Database, ledger: Ledger, provider: PayoutProvider, currency: str, now: datetime
) -> Total:
    """Add up the provider's whole book and compare it with ours. Reads everything, so it takes its time.

    Raises:
        ProviderUnsure: The provider's book could not be read to its end (503).
    """
    under_way = database.read(lambda session: _under_way(session, provider.name))
    movements = provider.movements(since_s=0, until_s=int(now.timestamp()) + 1)
    if not isinstance(movements, Ok):
        raise ProviderUnsure
    mine = [one for one in movements.value if one.currency == currency]
    theirs = sum(one.amount_minor - one.fee_minor for one in mine)
    ours = -ledger.balance(external(provider.name)).posted
    return Total(provider.name, currency, theirs, ours, under_way)


def _under_way(session: Session, provider: str) -> int:
    sent = select(func.coalesce(func.sum(_P.amount_minor), 0)).where(
        _P.provider == provider,
        _P.transfer_id.is_not(None),
        _P.state.in_([one.value for one in IN_CLEARING]),
    )
    back = (
        select(func.coalesce(func.sum(_R.amount), 0))
        .join(_C, _C.id == _R.checkout_id)
        .where(_C.provider == provider, _R.refund.is_not(None), _R.state == RefundState.PENDING.value)
    )
    return int(session.scalar(sent) or 0) + int(session.scalar(back) or 0)
