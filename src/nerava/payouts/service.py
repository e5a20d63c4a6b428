"""Payouts as the rest of the product uses them: one object with everything they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nerava.payouts.driving import Driving, DrivingTools
from nerava.payouts.errors import PayoutsOff
from nerava.payouts.interruptions import Interruptions
from nerava.payouts.methods import Methods
from nerava.payouts.reconciling import Reconciling
from nerava.payouts.requesting import Requesting
from nerava.payouts.rules import PayoutRules

if TYPE_CHECKING:
    from nerava.kernel.clock import Clock
    from nerava.ledger import Ledger
    from nerava.payouts.ports import PayoutProvider
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits


@dataclass(frozen=True, slots=True)
class Payouts:
    """The payouts of an installation. Safe to share between threads.

    Attributes:
        provider: Who pays; None where nobody is connected.
        interruptions: Told of every place where a process may end; for tests.
    """

    database: Database
    ledger: Ledger
    clock: Clock
    limits: Limits
    currency: str
    provider: PayoutProvider | None = None
    rules: PayoutRules = field(default_factory=PayoutRules)
    interruptions: Interruptions = field(default_factory=Interruptions)

    @property
    def requesting(self) -> Requesting:
        """What requests need."""
        return Requesting(self.ledger, self.limits, self.rules, self.currency, self.interruptions)

    @property
    def connected(self) -> PayoutProvider:
        """The provider.

        Raises:
            PayoutsOff: There is none (503).
        """
        if self.provider is None:
            raise PayoutsOff
        return self.provider

    @property
    def methods(self) -> Methods:
        """What opens and watches payout methods.

        Raises:
            PayoutsOff: No provider is connected (503).
        """
        return Methods(self.database, self.clock, self.connected, self.currency)

    @property
    def reconciling(self) -> Reconciling:
        """What compares the provider's book with ours.

        Raises:
            PayoutsOff: No provider is connected (503).
        """
        return Reconciling(self.database, self.clock, self.connected)

    @property
    def driving(self) -> Driving:
        """What carries payouts on.

        Raises:
            PayoutsOff: No provider is connected (503).
        """
        return Driving(
            DrivingTools(self.database, self.ledger, self.clock, self.connected, self.interruptions)
        )
