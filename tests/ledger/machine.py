"""A hypothesis state machine that drives an engine of the ledger beside the oracle.

One machine for every engine: `run_machine(open_port, settings)`. Each rule makes chains and posts
them at once, or lets them wait so that a later rule posts several as one batch. After each step
that changed something everything stored is compared.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis.stateful import run_state_machine_as_test

from tests.ledger.machine_holds import HoldRules
from tests.ledger.machine_lots import LotRules
from tests.ledger.machine_moves import MoveRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis import settings

    from nerava.ledger.values import Status
    from tests.ledger.referee import LedgerPort


class EveryRule(MoveRules, HoldRules, LotRules):
    """All rules of the ledger."""


def run_machine(
    open_port: Callable[[], LedgerPort], settings: settings, rules: type[EveryRule] = EveryRule
) -> Counter[Status]:
    """Run the machine on an engine and return how often each status was answered.

    Raises:
        Disagreement: The engine and the oracle differ; hypothesis prints the shortest run and a
            blob that repeats it.
    """
    told: Counter[Status] = Counter()
    machine = type("Machine", (rules,), {"open_port": staticmethod(open_port), "statuses": told})
    run_state_machine_as_test(machine, settings=settings)
    return told
