"""What the simulated Stripe believes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nerava.simulators.wire import Answer, Json


@dataclass(slots=True)
class Habits:
    """How long things take and what they cost; days are days, 0 means at once.

    Attributes:
        settle_days: From a card payment until its money is available.
        bank_debit_days: From a payment by bank until it succeeds or fails.
        payout_days: Business days from a payout until it arrives.
        fee_bps: What a card payment costs, hundredths of a percent, and `fee_fixed` minor units more.
        bank_fee_bps: What a payment by bank costs, at most `bank_fee_max`.
        dispute_fee: What a dispute costs, minor units.
        is_live: What every object says of itself in `livemode`.
        requests_per_s: From how many calls in one second on the answer is 429; None for no limit.
    """

    settle_days: int = 2
    bank_debit_days: int = 4
    payout_days: int = 2
    fee_bps: int = 290
    fee_fixed: int = 30
    bank_fee_bps: int = 80
    bank_fee_max: int = 500
    dispute_fee: int = 1_500
    is_live: bool = False
    requests_per_s: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """The first execution under an idempotency key.

    Attributes:
        asked: A digest of the request; another one under the same key is refused.
        answer: None while it is being carried out.
    """

    asked: bytes
    at: datetime
    path: str
    answer: Answer | None = None


@dataclass(slots=True)
class StripeState:
    """All objects in their wire format, whose they are, and what was decided about their future.

    Attributes:
        platform: The account of the platform, whose key it is.
        tables: By kind and id, oldest first.
        owners: By id, the account that an object belongs to.
        keys: By account and idempotency key.
        links: By token, the page for a person that was handed out, and what it is about.
        fates: By what will be decided, what it will be; used up one after the other.
        calls: Calls in the current second, for the limit.
    """

    platform: str
    key: str
    tables: dict[str, dict[str, Json]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    keys: dict[tuple[str, str], Kept] = field(default_factory=dict)
    links: dict[str, Json] = field(default_factory=dict)
    fates: dict[str, list[str]] = field(default_factory=dict)
    habits: Habits = field(default_factory=Habits)
    deauthorised: set[str] = field(default_factory=set)
    calls: dict[int, int] = field(default_factory=dict)

    def put(self, kind: str, thing: Json, owner: str) -> Json:
        """Add an object."""
        self.tables.setdefault(kind, {})[thing["id"]] = thing
        self.owners[thing["id"]] = owner
        return thing

    def find(self, kind: str, wanted: str, owner: str | None = None) -> Json | None:
        """Return an object, of this owner only when one is named."""
        found = self.tables.get(kind, {}).get(wanted)
        if found is None or (owner is not None and self.owners[wanted] != owner):
            return None
        return found

    def newest(self, kind: str, owner: str) -> Iterator[Json]:
        """Yield what an account has of a kind, newest first."""
        for wanted, thing in reversed(self.tables.get(kind, {}).items()):
            if self.owners[wanted] == owner:
                yield thing

    def anywhere(self, wanted: str) -> Json | None:
        """Return an object of whatever kind and owner."""
        return next((table[wanted] for table in self.tables.values() if wanted in table), None)

    def fate(self, *subjects: str) -> str | None:
        """Return what was decided for the first of these that anything was decided for, and use it up."""
        for subject in subjects:
            if self.fates.get(subject):
                return self.fates[subject].pop(0)
        return None
