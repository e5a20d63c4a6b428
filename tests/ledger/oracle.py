"""The ledger's referee: a naive model of every rule, written without knowledge of the implementation.

It keeps the list of what happened and nothing else. Every balance is a sum over that list and every
lot a walk through it, each time it is asked, so there is no counter that could be forgotten.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from nerava.ledger.values import AMOUNT_MAX, CHAIN_MAX, COUNTER_MAX, Kind, Status
from tests.ledger.lot_walk import LotView, LotWalk

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from nerava.ledger.accounts import AccountSpec
    from nerava.ledger.values import Chain, Transfer

_MOVES_NOW = (Kind.DIRECT, Kind.CAPTURE)


class Balance(NamedTuple):
    """What an account holds, in minor units, and how many transfers have touched it."""

    debits_posted: int = 0
    credits_posted: int = 0
    debits_pending: int = 0
    credits_pending: int = 0
    sequence: int = 0

    @property
    def posted(self) -> int:
        """Credits minus debits, holds left out."""
        return self.credits_posted - self.debits_posted

    @property
    def available(self) -> int:
        """Posted less what is held on the debit side."""
        return self.posted - self.debits_pending


@dataclass(frozen=True, slots=True)
class Movement:
    """One transfer that happened. `held` is the whole amount of the hold that it resolves, or 0."""

    key: UUID
    chain: Chain
    position: int
    asked: Transfer
    debit: str
    credit: str
    amount: int
    held: int
    posted_at: datetime
    effective_at: datetime
    debit_after: Balance
    credit_after: Balance

    @property
    def moved(self) -> int:
        """What it added to the posted counters."""
        return self.amount if self.asked.kind in _MOVES_NOW else 0

    @property
    def reserved(self) -> int:
        """What it added to the pending counters; negative when it resolved a hold."""
        return self.amount if self.asked.kind is Kind.HOLD else -self.held


class Oracle:
    """The reference model of the ledger: accounts, what happened, and which accounts are closed.

    `counter_max` is the largest number a counter may reach; tests make it small.
    """

    def __init__(self, *, counter_max: int = COUNTER_MAX) -> None:
        self.accounts: dict[str, AccountSpec] = {}
        self.closed: set[str] = set()
        self.history: list[Movement] = []
        self.counter_max = counter_max

    def open(self, spec: AccountSpec) -> None:
        """Open an account; the same once more is nothing, other terms for its code a mistake."""
        if self.accounts.setdefault(spec.code, spec) != spec:
            raise ValueError(f"{spec.code} is open on other terms")

    def close(self, code: str) -> None:
        """Close an account, whatever it holds; its holds can still be released or expired."""
        if code not in self.accounts:
            raise ValueError(f"{code} is not open")
        self.closed.add(code)

    def post(self, chain: Chain, now: datetime) -> tuple[Status, int | None]:
        """Decide one chain and keep what it did; return its status and the position that failed.

        Raises:
            ValueError: The chain has no transfers, or more than `CHAIN_MAX`.
        """
        if not 1 <= len(chain.transfers) <= CHAIN_MAX:
            raise ValueError("a chain has 1 to CHAIN_MAX transfers")
        known = self.answer_by_key(chain)
        if known is not None:
            return known, None
        before = len(self.history)
        for position, asked in enumerate(chain.transfers):
            refusal = self.why_not(asked, chain, now)
            if refusal is not None:
                self.forget_from(before)
                return refusal, position
            self.remember(self.movement(chain, position, now))
        return Status.POSTED, None

    # What the history says.

    def rows_of(self, code: str) -> list[Movement]:
        """Return every transfer that touched the account, oldest first."""
        return [one for one in self.history if code in (one.debit, one.credit)]

    def rows_of_chain(self, key: UUID) -> list[Movement]:
        """Return the transfers of a posted chain in order; none when it was never posted."""
        return [one for one in self.history if one.chain.key == key]

    def balances(self, code: str) -> Balance:
        """Return the account's counters: sums over everything that touched it."""
        rows = self.rows_of(code)
        return Balance(
            debits_posted=sum(one.moved for one in rows if one.debit == code),
            credits_posted=sum(one.moved for one in rows if one.credit == code),
            debits_pending=sum(one.reserved for one in rows if one.debit == code),
            credits_pending=sum(one.reserved for one in rows if one.credit == code),
            sequence=len(rows),
        )

    def last_posted_at(self, code: str) -> datetime | None:
        """Return the latest instant of the account's transfers, or None without any."""
        return max((one.posted_at for one in self.rows_of(code)), default=None)

    def movement_with(self, key: UUID | None) -> Movement | None:
        """Return the transfer with this key, or None."""
        return next((one for one in self.history if one.key == key), None)

    def hold_with(self, key: UUID | None) -> Movement | None:
        """Return the transfer of kind hold with this key, or None."""
        found = self.movement_with(key)
        return found if found is not None and found.asked.kind is Kind.HOLD else None

    def resolution_of(self, hold_key: UUID) -> Movement | None:
        """Return the capture, release or expiry that ended the hold, or None while it is open."""
        return next((one for one in self.history if one.held and one.asked.hold_key == hold_key), None)

    def open_holds(self) -> dict[UUID, Movement]:
        """Return the holds that nothing has resolved, by key, oldest first."""
        holds = [one for one in self.history if one.asked.kind is Kind.HOLD]
        return {one.key: one for one in holds if self.resolution_of(one.key) is None}

    def lots(self, code: str) -> Counter[LotView]:
        """Return the account's lots as a multiset, the used-up ones included."""
        return self.all_lots().get(code, Counter())

    def all_lots(self) -> dict[str, Counter[LotView]]:
        """Return the lots of every account that keeps lots."""
        views: dict[str, Counter[LotView]] = {
            code: Counter() for code, spec in self.accounts.items() if spec.keeps_lots
        }
        for lot in self.walk_lots().lots:
            views[lot.account][lot.view()] += 1
        return views

    def walk_lots(self) -> LotWalk:
        """Walk through the history once and return all lots and uses at its end."""
        walk = self.new_walk()
        posted: Counter[str] = Counter()
        for one in self.history:
            if one.asked.kind not in _MOVES_NOW:
                continue
            if self.accounts[one.debit].keeps_lots:
                covered = min(one.amount, max(0, posted[one.debit]))
                walk.consume(one, one.debit, covered, one.asked.lot_of)
            posted[one.debit] -= one.amount
            if self.accounts[one.credit].keeps_lots:
                walk.create(one, one.credit)
                owed = min(one.amount, max(0, -posted[one.credit]))
                walk.consume(one, one.credit, owed, None)
            posted[one.credit] += one.amount
        return walk

    def new_walk(self) -> LotWalk:
        """Return an empty walk."""
        return LotWalk()

    # The rules, in the order in which they are looked at.

    def answer_by_key(self, chain: Chain) -> Status | None:
        """Return `exists` or `conflict` when the chain's keys are taken, else None."""
        first = self.movement_with(chain.key)
        if first is not None:
            same = first.position == 0 and first.chain.fingerprint() == chain.fingerprint()
            return Status.EXISTS if same else Status.CONFLICT
        # A key that another chain chose may be the one this chain derives for a later transfer.
        taken = (self.movement_with(chain.key_of(i)) for i in range(1, len(chain.transfers)))
        return Status.CONFLICT if any(taken) else None

    def why_not(self, asked: Transfer, chain: Chain, now: datetime) -> Status | None:
        """Return why the transfer is refused now, or None when it may happen."""
        if asked.kind in (Kind.DIRECT, Kind.HOLD):
            return self.why_not_move(asked, chain)
        return self.why_not_resolve(asked, chain, now)

    def why_not_move(self, asked: Transfer, chain: Chain) -> Status | None:
        """Return why a direct transfer or a hold is refused, or None."""
        amount = asked.amount
        if not self.is_amount(amount):
            return Status.BAD_AMOUNT
        if asked.debit == asked.credit:
            return Status.SAME_ACCOUNT
        if asked.debit not in self.accounts or asked.credit not in self.accounts:
            return Status.NO_ACCOUNT
        sides = [self.accounts[asked.debit], self.accounts[asked.credit]]
        if any(one.lane != chain.lane for one in sides):
            return Status.WRONG_LANE
        if any(one.code in self.closed for one in sides):
            return Status.CLOSED
        if sides[0].asset != sides[1].asset:
            return Status.ASSET_MISMATCH
        if self.overdraws(asked.debit, amount) or self.lacks_lots(asked, amount):
            return Status.INSUFFICIENT
        if self.overfills(asked.credit, amount) or self.overflows(asked, amount, asked):
            return Status.CEILING
        return None

    def why_not_resolve(self, asked: Transfer, chain: Chain, now: datetime) -> Status | None:
        """Return why a capture, release or expiry is refused, or None."""
        capturing = asked.kind is Kind.CAPTURE
        if capturing and asked.amount is not None and not self.is_amount(asked.amount):
            return Status.BAD_AMOUNT
        hold = self.hold_with(asked.hold_key)
        if hold is None:
            return Status.HOLD_NOT_FOUND
        if self.resolution_of(hold.key) is not None:
            return Status.HOLD_RESOLVED
        if hold.chain.lane != chain.lane:
            return Status.WRONG_LANE
        due = self.is_due(hold, now)
        if asked.kind is Kind.EXPIRE:
            return None if due else Status.HOLD_NOT_DUE
        if not capturing:
            return None
        if due:
            return Status.HOLD_EXPIRED
        if (asked.amount or 0) > hold.amount:
            return Status.EXCEEDS_HOLD
        if hold.debit in self.closed or hold.credit in self.closed:
            return Status.CLOSED
        return Status.CEILING if self.overflows(hold, asked.amount or hold.amount, asked) else None

    def is_amount(self, amount: object) -> TypeGuard[int]:
        """Return whether this is a whole number of minor units within bounds, and not a truth value."""
        return type(amount) is int and 0 < amount <= AMOUNT_MAX

    def is_due(self, hold: Movement, now: datetime) -> bool:
        """Return whether the hold's instant has come."""
        return hold.asked.expires_at is not None and hold.asked.expires_at <= now

    def overdraws(self, code: str, amount: int) -> bool:
        """Return whether the debit would leave less available than the floor."""
        floor = self.accounts[code].floor
        return floor is not None and self.balances(code).available - amount < floor

    def lacks_lots(self, asked: Transfer, amount: int) -> bool:
        """Return whether the debit may take certain lots alone and less than the amount is left of them."""
        if not asked.lot_only or asked.kind is Kind.HOLD:  # a hold reserves no lots
            return False
        lots = [one for one in self.walk_lots().lots if one.account == asked.debit]
        return sum(one.remaining for one in lots if one.created_by == asked.lot_of) < amount

    def overfills(self, code: str, amount: int) -> bool:
        """Return whether the credit would pass the ceiling, incoming holds included."""
        ceiling, balance = self.accounts[code].ceiling, self.balances(code)
        return ceiling is not None and balance.posted + balance.credits_pending + amount > ceiling

    def overflows(self, sides: Transfer | Movement, amount: int, asked: Transfer) -> bool:
        """Return whether a counter of either side would pass the largest number it can hold."""
        debit, credit = self.balances(sides.debit), self.balances(sides.credit)
        if asked.kind is Kind.HOLD:
            highest = max(debit.debits_pending, credit.credits_pending)
        else:
            highest = max(debit.debits_posted, credit.credits_posted)
        return highest + amount > self.counter_max

    # What an accepted transfer does.

    def movement(self, chain: Chain, position: int, now: datetime) -> Movement:
        """Return the accepted transfer at `position` as it goes into the history."""
        asked = chain.transfers[position]
        hold = None if asked.kind in (Kind.DIRECT, Kind.HOLD) else self.hold_with(asked.hold_key)
        debit, credit = (hold.debit, hold.credit) if hold else (asked.debit, asked.credit)
        held = hold.amount if hold else 0
        wanted = held if asked.kind in (Kind.RELEASE, Kind.EXPIRE) else asked.amount
        amount = held if wanted is None else wanted
        posted_at = self.instant(now, (debit, credit))
        moved = amount if asked.kind in _MOVES_NOW else 0
        reserved = amount if asked.kind is Kind.HOLD else -held
        dr, cr = self.balances(debit), self.balances(credit)
        return Movement(
            key=chain.key_of(position),
            chain=chain,
            position=position,
            asked=asked,
            debit=debit,
            credit=credit,
            amount=amount,
            held=held,
            posted_at=posted_at,
            effective_at=chain.effective_at or posted_at,
            debit_after=dr._replace(
                debits_posted=dr.debits_posted + moved,
                debits_pending=dr.debits_pending + reserved,
                sequence=dr.sequence + 1,
            ),
            credit_after=cr._replace(
                credits_posted=cr.credits_posted + moved,
                credits_pending=cr.credits_pending + reserved,
                sequence=cr.sequence + 1,
            ),
        )

    def instant(self, now: datetime, codes: Iterable[str]) -> datetime:
        """Return when it is posted: now, but never before what either account already carries."""
        return max(now, *(self.last_posted_at(code) or now for code in codes))

    def remember(self, movement: Movement) -> None:
        """Add one transfer to the history."""
        self.history.append(movement)

    def forget_from(self, length: int) -> None:
        """Cut the history back to `length`: a refused chain leaves nothing."""
        del self.history[length:]
