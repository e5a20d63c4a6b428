"""A payout provider in memory: keys that are remembered with their answers, and faults by script."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from nerava.kernel.clock import Clock, SystemClock
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.payouts.ports import BankPayout, BankState, Movement, Recipient, Sent

Fault = Literal["lost-before", "lost-after", "stored-error", "busy", "misconfigured"]
"""What goes wrong with one call that writes: it never arrives, its answer does not, it breaks inside for
ever under its key, it is asked to come again later, or our own settings are wrong."""


@dataclass(frozen=True)
class Asked:
    """One call that reached the provider, or was to."""

    operation: str
    key: str
    body: tuple[object, ...]


@dataclass
class OtherBank:
    """A `PayoutProvider` with a balance; safe to share between threads. All amounts in minor units."""

    clock: Clock = field(default_factory=SystemClock)
    name: str = "stripe"
    money: int = 10_000_000
    pays_at_once: bool = True
    faults: dict[str, deque[Fault | str]] = field(default_factory=dict)
    reading_fails: int = 0
    recipients: dict[str, Recipient] = field(default_factory=dict)
    transfers: dict[str, tuple[UUID, Sent]] = field(default_factory=dict)
    bank_payouts: dict[str, tuple[UUID, BankPayout]] = field(default_factory=dict)
    book: list[Movement] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    _answers: dict[str, tuple[tuple[object, ...], Outcome[Any]]] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.RLock)

    def script(self, operation: str, *faults: Fault | str) -> None:
        """Let the next calls of an operation go wrong, in this order; another word is a refusal's code."""
        self.faults.setdefault(operation, deque()).extend(faults)

    def effective(self, payout_id: UUID) -> list[Sent]:
        """Return the transfers of a group that still stand."""
        mine = [sent for group, sent in self.transfers.values() if group == payout_id]
        return [sent for sent in mine if sent.reversed_minor < sent.amount_minor]

    def may_pay(self, account: str, *, yes: bool, last4: str | None = None) -> None:
        """Let a recipient be paid, or no longer."""
        known = self.recipients[account]
        self.recipients[account] = replace(
            known, may_be_paid=yes, wanted=() if yes else ("bank",), last4=last4 or known.last4
        )

    def bank_says(self, payout_id: UUID, state: BankState, failure: str | None = None) -> None:
        """Let the bank say what became of the newest payout of a group."""
        with self._lock:
            name = [one for one, (group, _) in self.bank_payouts.items() if group == payout_id][-1]
            group, bank = self.bank_payouts[name]
            self.bank_payouts[name] = (group, replace(bank, state=state, failure=failure))

    # The port.

    def make_recipient(self, reference: UUID, *, currency: str, key: str) -> Outcome[Recipient]:
        """Open an account that cannot be paid yet."""

        def do() -> Outcome[Recipient]:
            account = f"acct_{len(self.recipients) + 1}_{reference.hex[-8:]}"
            self.recipients[account] = Recipient(account, may_be_paid=False, wanted=("bank",))
            return Ok(self.recipients[account])

        return self._write("make_recipient", key, (reference, currency), do)

    def onboarding_url(self, account: str, *, return_url: str, key: str) -> Outcome[str]:
        """Return an address that is a new one for every key."""
        return self._write(
            "onboarding_url", key, (account, return_url), lambda: Ok(f"https://bank.example/{account}/{key}")
        )

    def recipient(self, account: str) -> Outcome[Recipient]:
        """Read an account."""
        return self._read(lambda: self.recipients[account])

    def available(self, currency: str) -> Outcome[int]:
        """Return the balance."""
        return self._read(lambda: self.money)

    def send(
        self, payout_id: UUID, *, account: str, amount_minor: int, currency: str, key: str
    ) -> Outcome[Sent]:
        """Move money to a recipient's account, if there is enough."""

        def do() -> Outcome[Sent]:
            if amount_minor > self.money:
                return Refused("balance_insufficient")
            if not self.recipients[account].may_be_paid:
                return Refused("account_invalid")
            self.money -= amount_minor
            sent = Sent(f"tr_{len(self.transfers) + 1}", account, amount_minor, currency)
            self.transfers[sent.transfer] = (payout_id, sent)
            self._enter("transfer", sent.transfer, payout_id, -amount_minor, currency)
            return Ok(sent)

        return self._write("send", key, (payout_id, account, amount_minor, currency), do)

    def sent_for(self, payout_id: UUID) -> Outcome[list[Sent]]:
        """Read the transfers of a group."""
        return self._read(lambda: [sent for group, sent in self.transfers.values() if group == payout_id])

    def pay_out(
        self, payout_id: UUID, *, account: str, amount_minor: int, currency: str, key: str
    ) -> Outcome[BankPayout]:
        """Send money on to the bank."""

        def do() -> Outcome[BankPayout]:
            state = BankState.PAID if self.pays_at_once else BankState.PENDING
            bank = BankPayout(f"po_{len(self.bank_payouts) + 1}", account, amount_minor, currency, state)
            self.bank_payouts[bank.payout] = (payout_id, bank)
            return Ok(bank)

        return self._write("pay_out", key, (payout_id, account, amount_minor, currency), do)

    def bank_payouts_for(self, payout_id: UUID, *, account: str) -> Outcome[list[BankPayout]]:
        """Read the payouts of a group."""
        return self._read(lambda: [one for group, one in self.bank_payouts.values() if group == payout_id])

    def take_back(self, transfer: str, *, amount_minor: int, key: str) -> Outcome[Sent]:
        """Reverse a transfer."""

        def do() -> Outcome[Sent]:
            group, sent = self.transfers[transfer]
            if sent.reversed_minor + amount_minor > sent.amount_minor:
                return Refused("amount_too_large")
            sent = replace(sent, reversed_minor=sent.reversed_minor + amount_minor)
            self.transfers[transfer] = (group, sent)
            self.money += amount_minor
            self._enter("transfer_reversal", transfer, group, amount_minor, sent.currency)
            return Ok(sent)

        return self._write("take_back", key, (transfer, amount_minor), do)

    def movements(self, *, since_s: int, until_s: int) -> Outcome[list[Movement]]:
        """Read the book of a span."""
        return self._read(lambda: [one for one in self.book if since_s <= one.created_s < until_s])

    # How it answers.

    def _enter(self, kind: str, source: str, group: UUID | None, amount: int, currency: str) -> None:
        at = int(self.clock.now().timestamp())
        name = f"txn_{len(self.book) + 1}"
        self.book.append(Movement(name, kind, source, str(group), amount, 0, currency, at))

    def _read(self, read: Callable[[], Any]) -> Outcome[Any]:
        with self._lock:
            if self.reading_fails:
                self.reading_fails -= 1
                return RetryLater("timeout")
            return Ok(read())

    def _write(
        self, operation: str, key: str, body: tuple[object, ...], do: Callable[[], Outcome[Any]]
    ) -> Outcome[Any]:
        with self._lock:
            self.asked.append(Asked(operation, key, body))
            waiting = self.faults.get(operation)
            fault = waiting.popleft() if waiting else None
            match fault:
                case "lost-before":
                    return Unknown("timeout")
                case "busy":
                    return RetryLater("rate_limit")
                case "misconfigured":
                    return Misconfigured("authentication_error")
            answer = self._answer(key, body, lambda: _broken(fault) or do())
            return Unknown("timeout") if fault == "lost-after" else answer

    def _answer(self, key: str, body: tuple[object, ...], do: Callable[[], Outcome[Any]]) -> Outcome[Any]:
        """Execute a key once; what it answered, errors included, it answers for ever."""
        if key in self._answers:
            first, answer = self._answers[key]
            return answer if first == body else Unknown("idempotency_error")
        answer = do()
        self._answers[key] = (body, answer)
        return answer


def _broken(fault: str | None) -> Outcome[Any] | None:
    if fault in {None, "lost-after"}:
        return None
    return Unknown("api_error") if fault == "stored-error" else Refused(str(fault))
