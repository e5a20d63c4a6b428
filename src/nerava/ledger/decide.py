"""The rules of the ledger as one pure function: no I/O, nothing changed but its arguments.

PostgreSQL and SQLite run this function over rows that they have locked, and write what it
returns. It is the only place that knows when money may move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.ledger.accounts import AccountState, account_id
from nerava.ledger.hashing import canonical_json, instant, row_digest
from nerava.ledger.lots import LotShelf
from nerava.ledger.values import (
    AMOUNT_MAX,
    CHAIN_MAX,
    COUNTER_MAX,
    Chain,
    Kind,
    LotTerms,
    PostedTransfer,
    Status,
    Transfer,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from nerava.ledger.lots import Lot, LotUse


class OpenHold(NamedTuple):
    """A reservation that nothing has resolved yet."""

    id: str
    key: str
    debit: str
    credit: str
    asset: str
    amount: int
    expires_at: datetime | None
    lane: str


class State:
    """Everything a batch may look at, as locked rows; `decide` leaves in it what must be written.

    Attributes:
        accounts: Locked balances by account id.
        known: Rows of chains already posted, by chain key, in chain order. A key that belongs to
            a later transfer of a chain maps to an empty tuple.
        holds: Open holds by key.
        resolved: Keys of holds that exist and are resolved.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, AccountState] = {}
        self.known: dict[str, tuple[PostedTransfer, ...]] = {}
        self.holds: dict[str, OpenHold] = {}
        self.resolved: set[str] = set()
        self.shelf = LotShelf()


class Decision(NamedTuple):
    """What a batch came to: an answer for every chain, and the rows to write.

    `opened` are new holds that are still open after the batch, `closed` the ids of older holds
    that it resolved. Changed balances are the `touched` accounts of the state; lots and their
    uses lie on its shelf.
    """

    verdicts: list[Verdict]
    transfers: list[PostedTransfer]
    opened: list[OpenHold]
    closed: list[str]


def decide(
    chains: Sequence[Chain], state: State, now: datetime, *, batch_id: str, new_id: Callable[[], str]
) -> Decision:
    """Judge chains one after the other, each seeing the ones before it.

    Args:
        chains: In the order in which they are to be judged.
        state: Locked rows; changed in place.
        now: Aware UTC. A transfer is posted at the latest of `now` and what its accounts have
            already seen, so time never runs backwards along an account's sequence.
        batch_id: The commit these transfers belong to.
        new_id: Gives ids that grow, as canonical text.

    Raises:
        ValueError: A chain has no transfers or more than `CHAIN_MAX`.
    """
    run = _Run(state, now, batch_id, new_id)
    verdicts = [run.judge(one) for one in chains]
    opened = [hold for hold in run.opened.values() if hold.key in state.holds]
    return Decision(verdicts, run.rows, opened, run.closed)


_MOVES_NO_LOTS: Final = (Kind.HOLD, Kind.RELEASE, Kind.EXPIRE)


class _Refused(Exception):
    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


class _Run:
    """One batch being judged."""

    def __init__(self, state: State, now: datetime, batch_id: str, new_id: Callable[[], str]) -> None:
        self.state = state
        self.now, self.now_text = now, instant(now)
        self.batch_id = batch_id
        self.new_id = new_id
        self.new_ids: Iterator[str] = iter(new_id, None)
        self.rows: list[PostedTransfer] = []
        self.opened: dict[str, OpenHold] = {}
        self.closed: list[str] = []

    def judge(self, chain: Chain) -> Verdict:
        if not 1 <= len(chain.transfers) <= CHAIN_MAX:
            message = f"a chain has 1 to {CHAIN_MAX} transfers, not {len(chain.transfers)}"
            raise ValueError(message)
        keys, fingerprint, known = chain.key_texts(), chain.fingerprint(), self.state.known
        first = known.get(keys[0])
        if first and first[0].fingerprint == fingerprint:
            return Verdict(Status.EXISTS, first)
        if any(key in known for key in keys):
            return Verdict(Status.CONFLICT)
        attempt = _Attempt(self, chain, keys, fingerprint)
        try:
            for position, one in enumerate(chain.transfers):
                attempt.position = position
                attempt.apply(one)
        except _Refused as refused:
            attempt.undo()
            return Verdict(refused.status, failed_at=attempt.position)
        self.rows += attempt.rows
        known[keys[0]] = posted = tuple(attempt.rows)
        for key in keys[1:]:
            known[key] = ()
        return Verdict(Status.POSTED, posted)


class _Attempt:
    """One chain being applied to the working copies; can be undone whole."""

    def __init__(self, run: _Run, chain: Chain, keys: Sequence[str], fingerprint: bytes) -> None:
        self.run = run
        self.state = run.state
        self.chain = chain
        self.keys = keys
        self.fingerprint = fingerprint
        self.transaction_id = run.new_id()
        self.metadata = canonical_json(chain.metadata)
        self.effective_text = instant(chain.effective_at)
        self.fingerprint_text = fingerprint.hex()
        self.last = len(chain.transfers) - 1
        self.position = 0
        self.rows: list[PostedTransfer] = []
        self.saved: dict[str, tuple[AccountState, tuple[object, ...]]] = {}
        self.hold_changes: list[tuple[OpenHold, bool]] = []
        self.state.shelf.begin()

    def undo(self) -> None:
        for account, saved in self.saved.values():
            account.restore(saved)  # type: ignore[arg-type]
        for hold, was_open in reversed(self.hold_changes):
            if was_open:
                self.state.holds[hold.key] = hold
                self.state.resolved.discard(hold.key)
                if self.run.closed and self.run.closed[-1] == hold.id:
                    self.run.closed.pop()
            else:
                self.state.holds.pop(hold.key, None)
                self.run.opened.pop(hold.key, None)
        self.state.shelf.rollback()

    def apply(self, one: Transfer) -> None:
        if one.kind is Kind.DIRECT:
            self._direct(one)
        elif one.kind is Kind.HOLD:
            self._hold(one)
        else:
            self._resolve(one)

    def _direct(self, one: Transfer) -> None:
        debit, credit, amount = self._checked(one)
        before = credit.posted
        debit.debits_posted += amount
        credit.credits_posted += amount
        self._record(one, debit, credit, amount, debt=max(0, -before))

    def _hold(self, one: Transfer) -> None:
        debit, credit, amount = self._checked(one)
        debit.debits_pending += amount
        credit.credits_pending += amount
        row = self._record(one, debit, credit, amount, expires_at=one.expires_at)
        hold = OpenHold(row.id, row.key, debit.id, credit.id, debit.asset, amount, one.expires_at, row.lane)
        self.hold_changes.append((hold, False))
        self.state.holds[hold.key] = hold
        self.run.opened[hold.key] = hold

    def _checked(self, one: Transfer) -> tuple[AccountState, AccountState, int]:
        amount = one.amount
        if type(amount) is not int or not 0 < amount <= AMOUNT_MAX:
            raise _Refused(Status.BAD_AMOUNT)
        if one.debit == one.credit:
            raise _Refused(Status.SAME_ACCOUNT)
        accounts = self.state.accounts
        debit = accounts.get(account_id(one.debit))
        credit = accounts.get(account_id(one.credit))
        if debit is None or credit is None:
            raise _Refused(Status.NO_ACCOUNT)
        lane = self.chain.lane
        if debit.lane != lane or credit.lane != lane:
            raise _Refused(Status.WRONG_LANE)
        if debit.closed or credit.closed:
            raise _Refused(Status.CLOSED)
        if debit.asset != credit.asset:
            raise _Refused(Status.ASSET_MISMATCH)
        if self._short(one, debit, amount):
            raise _Refused(Status.INSUFFICIENT)
        incoming = credit.credits_posted + credit.credits_pending + amount
        if credit.ceiling is not None and incoming - credit.debits_posted > credit.ceiling:
            raise _Refused(Status.CEILING)
        if incoming > COUNTER_MAX or debit.debits_posted + debit.debits_pending + amount > COUNTER_MAX:
            raise _Refused(Status.CEILING)
        self._save(debit)
        self._save(credit)
        return debit, credit, amount

    def _short(self, one: Transfer, debit: AccountState, amount: int) -> bool:
        if debit.floor is not None and debit.available - amount < debit.floor:
            return True
        only = one.lot_only and one.kind is Kind.DIRECT  # a hold reserves no lots
        return only and self.state.shelf.left_of(one.lot_of, debit.id) < amount

    def _resolve(self, one: Transfer) -> None:
        amount = one.amount
        if amount is not None and (type(amount) is not int or not 0 < amount <= AMOUNT_MAX):
            raise _Refused(Status.BAD_AMOUNT)
        hold = self._open_hold(one)
        captured = hold.amount if amount is None else amount
        if captured > hold.amount:
            raise _Refused(Status.EXCEEDS_HOLD)
        debit, credit = self.state.accounts[hold.debit], self.state.accounts[hold.credit]
        if one.kind is Kind.CAPTURE and (debit.closed or credit.closed):
            raise _Refused(Status.CLOSED)
        self._save(debit)
        self._save(credit)
        before = credit.posted
        debit.debits_pending -= hold.amount
        credit.credits_pending -= hold.amount
        if one.kind is Kind.CAPTURE:
            debit.debits_posted += captured
            credit.credits_posted += captured
        self._record(one, debit, credit, captured, debt=max(0, -before), hold_id=hold.id)
        self.hold_changes.append((hold, True))
        del self.state.holds[hold.key]
        self.state.resolved.add(hold.key)
        if hold.key not in self.run.opened:
            self.run.closed.append(hold.id)

    def _open_hold(self, one: Transfer) -> OpenHold:
        key = str(one.hold_key)
        hold = self.state.holds.get(key)
        if hold is None:
            raise _Refused(Status.HOLD_RESOLVED if key in self.state.resolved else Status.HOLD_NOT_FOUND)
        if hold.lane != self.chain.lane:
            raise _Refused(Status.WRONG_LANE)
        due = hold.expires_at is not None and hold.expires_at <= self.run.now
        if one.kind is Kind.CAPTURE and due:
            raise _Refused(Status.HOLD_EXPIRED)
        if one.kind is Kind.EXPIRE and not due:
            raise _Refused(Status.HOLD_NOT_DUE)
        return hold

    def _save(self, account: AccountState) -> None:
        # A refused transfer has changed nothing yet: what the last one changes is never undone.
        if self.position < self.last and account.id not in self.saved:
            self.saved[account.id] = (account, account.snapshot())

    def _record(
        self,
        one: Transfer,
        debit: AccountState,
        credit: AccountState,
        amount: int,
        *,
        debt: int = 0,
        hold_id: str | None = None,
        expires_at: datetime | None = None,
    ) -> PostedTransfer:
        chain = self.chain
        now = self.run.now
        posted_at = max(now, debit.last_posted_at or now, credit.last_posted_at or now)
        for account in (debit, credit):
            account.sequence += 1
            account.last_posted_at = posted_at
            account.touched = True
        transfer_id = self.transaction_id if self.position == 0 else self.run.new_id()
        kind = str(one.kind)
        key = self.keys[self.position]
        posted_text = self.run.now_text if posted_at is now else instant(posted_at)
        made, used = self._move_lots(one, debit, credit, amount, key=key, debt=debt)
        fields = (
            transfer_id,
            key,
            self.fingerprint_text,
            self.transaction_id,
            self.position,
            chain.template,
            kind,
            debit.id,
            credit.id,
            debit.asset,
            amount,
            hold_id,
            instant(expires_at),
            debit.sequence,
            credit.sequence,
            debit.posted,
            debit.available,
            credit.posted,
            credit.available,
            self.effective_text or posted_text,
            posted_text,
            chain.lane,
            self.run.batch_id,
            chain.actor,
            self.metadata,
        )
        lots = [[x.id, x.account, x.granted, x.source, instant(x.expires_at), x.restores] for x in made]
        digest = row_digest([*fields, lots, [[use.id, use.lot_id, use.amount] for use in used]])
        row = PostedTransfer(
            transfer_id,
            key,
            self.fingerprint,
            self.transaction_id,
            self.position,
            chain.template,
            kind,
            debit.id,
            credit.id,
            debit.asset,
            amount,
            hold_id,
            expires_at,
            debit.sequence,
            credit.sequence,
            debit.posted,
            debit.available,
            credit.posted,
            credit.available,
            chain.effective_at or posted_at,
            posted_at,
            chain.lane,
            self.run.batch_id,
            chain.actor,
            self.metadata,
            digest,
        )
        self.rows.append(row)
        return row

    def _move_lots(
        self,
        one: Transfer,
        debit: AccountState,
        credit: AccountState,
        amount: int,
        *,
        key: str,
        debt: int,
    ) -> tuple[list[Lot], list[LotUse]]:
        if one.kind in _MOVES_NO_LOTS or not (debit.keeps_lots or credit.keeps_lots):
            return [], []
        shelf, ids = self.state.shelf, self.run.new_ids
        made: list[Lot] = []
        used: list[LotUse] = []
        if debit.keeps_lots:
            used = shelf.consume(debit.id, amount, key=key, lot_of=one.lot_of, new_ids=ids)
        if credit.keeps_lots:
            made, paid = shelf.create(
                credit.id,
                amount,
                key=key,
                debt=debt,
                terms=one.lot or LotTerms(self.chain.template),
                restores=one.restores,
                new_ids=ids,
            )
            used = used + paid
        return made, used
