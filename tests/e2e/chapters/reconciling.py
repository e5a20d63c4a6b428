"""The provider's book is compared with ours, four days at a time; what differs is a case, and nothing differs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from nerava.identity.roles import Role
from nerava.installation import payouts_of
from nerava.payouts.books import MATCHED, Period
from nerava.payouts.reconciling import LOOKS_BACK
from nerava.payouts.sponsor_books import DISPUTE
from tests.e2e.year import Chapter, Year


@dataclass
class Reconciling(Chapter):
    """What the comparisons came to, by verdict."""

    verdicts: Counter[str] = field(default_factory=Counter)

    def day(self, year: Year) -> None:
        """Compare the last four days, up to the midnight that is twelve hours ago or more."""
        if year.number % LOOKS_BACK.days == 0:
            until = year.now.replace(hour=0, minute=0, second=0, microsecond=0)
            reconciling = payouts_of(year.house.installation).reconciling
            run = reconciling.compare(Period(f"night:{until:%Y-%m-%d}", until - LOOKS_BACK, until))
            assert run is not None
            found = Counter(one["verdict"] for one in run.lines)
            self.verdicts.update(found)
            assert [one for one in run.lines if one["verdict"] != MATCHED] == []
            year.happened["compared: dispute"] += sum(one["kind"] == DISPUTE for one in run.lines)

    def check(self, year: Year) -> None:
        """Have no case but payouts that were long on their way."""
        assert self.verdicts[MATCHED]
        cases = year.ops[Role.OPS_FINANCE].every("/v1/ops/payout-cases")
        year.happened.update(f"case: {one['kind']}" for one in cases)
