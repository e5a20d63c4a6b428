"""Every invariant between the packages and the ledger, in one list for whoever audits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.charging.checks import CHECKS as CHARGING_CHECKS
from nerava.merchants.checks import CHECKS as MERCHANT_CHECKS
from nerava.payouts.checks import CHECKS as PAYOUT_CHECKS
from nerava.rewards.checks import CHECKS as REWARD_CHECKS
from nerava.settlements.checks import CHECKS as SETTLEMENT_CHECKS

if TYPE_CHECKING:
    from nerava.ledger.audit import Check

CHECKS: Final[tuple[Check, ...]] = (
    *CHARGING_CHECKS,
    *REWARD_CHECKS,
    *MERCHANT_CHECKS,
    *PAYOUT_CHECKS,
    *SETTLEMENT_CHECKS,
)
"""For `ledger.audit`, beside the ledger's own."""
