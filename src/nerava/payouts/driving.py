"""Drives payouts: claims one that is due, asks the provider, and lets the answer have effect, step by step.

A step is at most one call that changes something at the provider. What is to be sent, and under
which key, is committed before its first byte leaves; what became of it is committed after. Whatever
ends the process in between, the next look begins with reading.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import rfc8785
from sqlalchemy import or_, select

from nerava.audit import ActorKind, Entry, record
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from nerava.kernel.switch_names import MONEY_ALL, PAYOUT
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import require_off, turn_on
from nerava.payouts import chains, evidence
from nerava.payouts.cases import find_stuck, open_case
from nerava.payouts.evidence import (
    ACTOR,
    BankSeen,
    Fact,
    NotDone,
    NothingSeen,
    SaidNo,
    SeveralSeen,
    TransferSeen,
    Unsure,
)
from nerava.payouts.model import Payout, PayoutMethod
from nerava.payouts.ports import BankPayout, BankState, Sent
from nerava.payouts.rules import CLEARING_MAX, FUNDS_AGAIN, KEY_GOOD_FOR, LEASE, READ_GAPS
from nerava.payouts.states import CaseKind, EvidenceSource, MethodState, PayoutState, Step
from nerava.payouts.telling import tell
from nerava.platform import tracing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.kernel.outcomes import Outcome
    from nerava.ledger import Ledger
    from nerava.payouts.interruptions import Interruptions
    from nerava.payouts.ports import PayoutProvider
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

AT_ONCE: Final = 20
STOPPED_FOR: Final = timedelta(minutes=1)
_FALLEN: Final = frozenset({BankState.FAILED, BankState.CANCELED})
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class DrivingTools:
    """What driving works with."""

    database: Database
    ledger: Ledger
    clock: Clock
    provider: PayoutProvider
    interruptions: Interruptions


class Driving:
    """Carries payouts on. Safe to share between threads and processes, and to kill anywhere."""

    def __init__(self, tools: DrivingTools) -> None:
        self._database = tools.database
        self._ledger = tools.ledger
        self._clock = tools.clock
        self._provider = tools.provider
        self._reach = tools.interruptions.reach

    def run(self, now: datetime) -> int:
        """Carry payouts on that are due, 20 steps at most, and return how many steps were made."""
        for done in range(AT_ONCE):
            payout = self._database.run(lambda session: self._claim(session, max(now, self._clock.now())))
            if payout is None:
                return done
            self._reach("claimed")
            try:
                with tracing.resumed(payout.traceparent, "payout step"):
                    self._advance(payout)
            except SwitchedOff:
                self._change(payout, lambda _session, row, at: _wait(row, at + STOPPED_FOR))
        return AT_ONCE

    def find_stuck(self, now: datetime) -> int:
        """Open a case for every payout that is on its way for longer than a day; return how many are new."""
        return self._database.run(lambda session: find_stuck(session, now))

    def _claim(self, session: Session, now: datetime) -> Payout | None:
        due = (
            select(Payout)
            .where(
                Payout.next_at <= now,
                Payout.provider == self._provider.name,
                or_(Payout.leased_until.is_(None), Payout.leased_until <= now),
            )
            .order_by(Payout.next_at, Payout.id)
            .limit(1)
            .with_for_update(skip_locked=True, key_share=True)
        )
        payout = session.scalars(due).one_or_none()
        if payout is not None:
            payout.leased_until = now + LEASE
            session.flush()
        return payout

    def _advance(self, payout: Payout) -> None:
        if payout.state == PayoutState.APPROVED:
            self._submit(payout)
        elif payout.step in {Step.AWAIT, Step.WATCH}:
            self._look_at_bank(payout)
        elif payout.sends == 0 and payout.step != Step.TAKE_BACK:
            self._call(payout, self._begin(payout))
        else:
            self._read_then_call(payout)

    # Before the first byte.

    def _submit(self, payout: Payout) -> None:
        """Move the money into clearing and send it, if the recipient may be paid and there is enough."""
        recipient = self._provider.recipient(payout.account)
        if isinstance(recipient, Ok) and not recipient.value.may_be_paid:
            self._change(payout, _recipient_blocked)
            return
        available = self._provider.available(payout.currency)
        if not isinstance(recipient, Ok) or not isinstance(available, Ok):
            self._change(payout, lambda _session, row, at: _wait(row, at + READ_GAPS[1]))
            return
        if available.value < payout.amount_minor:
            self._change(payout, _balance_low)
            return
        self._reach("before the submission")
        submitted = self._change(payout, self._submitted)
        if submitted is not None:
            self._reach("after the submission")
            self._call(payout, submitted)

    def _submitted(self, session: Session, payout: Payout, now: datetime) -> Payout:
        chains.post(session, self._ledger, chains.submit_chain(payout, ACTOR))
        payout.state, payout.submitted_at = PayoutState.SUBMITTED.value, now
        payout.overdue_at, payout.reason = now + CLEARING_MAX, None
        tell(session, payout, now)
        _note_call(payout, now)
        self._reach("inside the submission")
        return payout

    def _begin(self, payout: Payout) -> Payout | None:
        """Commit what is about to be sent, and under which key; None when somebody else was faster."""

        def unit(session: Session, row: Payout, now: datetime) -> Payout:
            require_off(session, PAYOUT, MONEY_ALL)
            _note_call(row, now)
            return row

        begun = self._change(payout, unit)
        self._reach("after the intent")
        return begun

    # The call.

    def _call(self, payout: Payout, begun: Payout | None) -> None:
        if begun is None:
            return
        if begun.leased_until is None or self._clock.now() >= begun.leased_until:
            log.warning("payout %s: the lease ran out before the call", payout.id)
            return
        self._reach("before the call")
        fact = self._fact_of(begun, self._send(begun))
        self._reach("after the call")
        self._learn(begun, fact, EvidenceSource.REPLY)

    def _send(self, payout: Payout) -> Outcome[Sent] | Outcome[BankPayout]:
        key = payout.provider_key or ""
        amount, currency = payout.amount_minor, payout.currency
        if payout.step == Step.SEND:
            return self._provider.send(
                payout.id, account=payout.account, amount_minor=amount, currency=currency, key=key
            )
        if payout.step == Step.PAY_OUT:
            return self._provider.pay_out(
                payout.id, account=payout.account, amount_minor=amount, currency=currency, key=key
            )
        return self._provider.take_back(payout.transfer_id or "", amount_minor=amount, key=key)

    def _fact_of(self, payout: Payout, outcome: Outcome[Sent] | Outcome[BankPayout]) -> Fact:
        match outcome:
            case Ok(value):
                return TransferSeen(value) if isinstance(value, Sent) else BankSeen(value)
            case Refused(code):
                return SaidNo(code)
            case RetryLater(code, not_before):
                return NotDone(code, not_before)
            case Misconfigured(code):
                log.error("payout %s: our own settings at %s: %s", payout.id, payout.provider, code)
                return NotDone(code, needs_us=True)
            case Unknown(code):
                return Unsure(code)

    # Reading.

    def _read_then_call(self, payout: Payout) -> None:
        """Find out what became of earlier calls, and call again only when nothing did."""
        facts = self._read_bank(payout) if payout.step == Step.PAY_OUT else self._read_transfers(payout)
        self._reach("after the reading")
        if facts is None:
            self._change(payout, lambda _session, row, at: _read_later(row, at))
        elif facts:
            self._learn(payout, facts[0], EvidenceSource.READ)
        elif evidence.was_refused(payout):
            self._learn(payout, SaidNo(evidence.refusal_code(payout)), EvidenceSource.READ)
        elif payout.same_answers > 1:
            # The key answers an error of the provider's own for ever, and nothing came of it.
            renewed = self._change(payout, lambda _session, row, _at: _renewed(row))
            self._call(payout, renewed and self._begin(renewed))
        elif payout.first_sent_at is None or self._clock.now() < payout.first_sent_at + KEY_GOOD_FOR:
            self._call(payout, self._begin(payout))
        else:
            self._learn(payout, NothingSeen(), EvidenceSource.READ)

    def _read_transfers(self, payout: Payout) -> list[Fact] | None:
        """Read what was sent in the payout's group; None when that did not work out."""
        listed = _value_of(self._provider.sent_for(payout.id))
        if listed is None:
            return None
        if len(listed) > 1:
            return [SeveralSeen(tuple(one.transfer for one in listed))]
        if payout.step == Step.TAKE_BACK and all(one.reversed_minor < one.amount_minor for one in listed):
            return []
        return [TransferSeen(one) for one in listed]

    def _read_bank(self, payout: Payout) -> list[Fact] | None:
        """Read what was sent on to the bank; None when that did not work out."""
        listed = _value_of(self._provider.bank_payouts_for(payout.id, account=payout.account))
        if listed is None:
            return None
        standing = [one for one in listed if one.state not in _FALLEN]
        if len(standing) > 1:
            return [SeveralSeen(tuple(one.payout for one in standing))]
        return [BankSeen(one) for one in (standing or listed[-1:])]

    def _look_at_bank(self, payout: Payout) -> None:
        listed = _value_of(self._provider.bank_payouts_for(payout.id, account=payout.account))
        mine = [one for one in listed or () if one.payout == payout.bank_payout_id]
        self._reach("after the reading")
        if mine:
            self._learn(payout, BankSeen(mine[0]), EvidenceSource.READ)
        else:
            self._change(payout, lambda _session, row, at: _read_later(row, at))

    # What became of it.

    def _learn(self, payout: Payout, fact: Fact, source: EvidenceSource) -> None:
        def unit(session: Session, row: Payout, now: datetime) -> None:
            evidence.apply(session, self._ledger, row, fact, source=source, now=now)
            if isinstance(fact, SeveralSeen):
                _stop_all(session, row, now)
            self._reach("inside the evidence")

        self._change(payout, unit)
        self._reach("after the evidence")

    def _change(self, payout: Payout, change: Callable[[Session, Payout, datetime], _Value]) -> _Value | None:
        """Change a payout's row under its lock; nothing happens when somebody else has changed it since."""

        def unit(session: Session) -> _Value | None:
            mine = select(Payout).where(Payout.id == payout.id, Payout.version == payout.version)
            row = session.scalars(mine.with_for_update(key_share=True)).one_or_none()
            if row is None:
                log.warning("payout %s: another worker was faster", payout.id)
                return None
            changed = change(session, row, self._clock.now())
            session.flush()
            return changed

        return self._database.run(unit)


def _value_of(outcome: Outcome[list[_Value]]) -> list[_Value] | None:
    return outcome.value if isinstance(outcome, Ok) else None


def _note_call(payout: Payout, now: datetime) -> None:
    """Write down what is about to be sent; a call that is repeated must be the same to the byte."""
    asked: dict[str, Any] = {
        "operation": payout.step,
        "payout": str(payout.id),
        "account": payout.account,
        "amount_minor": payout.amount_minor,
        "currency": payout.currency,
        "transfer": payout.transfer_id or "",
    }
    body_hash = hashlib.sha256(rfc8785.dumps(asked)).digest()
    if payout.sends == 0:
        payout.provider_key = f"{payout.step}:{payout.id}:{payout.try_number}"
        payout.body_hash, payout.first_sent_at = body_hash, now
    elif payout.body_hash != body_hash:
        raise AssertionError(f"payout {payout.id} would send something else under an old key")
    payout.sends, payout.last_sent_at = payout.sends + 1, now
    payout.leased_until = payout.next_at = now + LEASE


def _wait(payout: Payout, until: datetime) -> None:
    payout.leased_until, payout.next_at = None, until


def _read_later(payout: Payout, now: datetime) -> None:
    evidence.look_later(payout, now)


def _renewed(payout: Payout) -> Payout:
    evidence.begin_anew(payout)
    return payout


def _recipient_blocked(session: Session, payout: Payout, now: datetime) -> None:
    _wait(payout, now + FUNDS_AGAIN)
    payout.reason = "recipient-not-payable"
    blocked = select(PayoutMethod).where(
        PayoutMethod.id == payout.method_id, PayoutMethod.state == MethodState.READY.value
    )
    for method in session.scalars(blocked.with_for_update(key_share=True)):
        method.state, method.next_at = MethodState.BLOCKED.value, now


def _balance_low(session: Session, payout: Payout, now: datetime) -> None:
    _wait(payout, now + FUNDS_AGAIN)
    payout.reason = "waiting-for-funds"
    subject = f"{payout.provider}:{now:%Y-%m-%d}"
    open_case(
        session, CaseKind.LOW_BALANCE, subject, {"amount_minor": payout.amount_minor}, now, payout=payout
    )


def _stop_all(session: Session, payout: Payout, now: datetime) -> None:
    """Nothing more is paid until two people know why one payout went out more than once."""
    why = f"payout {payout.id} went out more than once"
    if turn_on(session, PAYOUT, by=ACTOR, reason=why, now=now):
        record(session, Entry(ActorKind.SYSTEM, ACTOR, "switch.on", "kill_switch", PAYOUT, reason=why), now)
