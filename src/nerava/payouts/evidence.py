"""What became known about a payout, and the one function that lets it have effect."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import rfc8785
from sqlalchemy import select

from nerava.payouts import chains
from nerava.payouts.cases import open_case
from nerava.payouts.model import PayoutEvidence
from nerava.payouts.ports import BankPayout, BankState, Sent
from nerava.payouts.rules import (
    FIRST_LISTING_AFTER,
    FUNDS_AGAIN,
    LISTINGS_APART,
    READ_EVERY,
    READ_GAPS,
    WAITS_FOR_FUNDS,
    WATCHED_EVERY,
    WATCHED_FOR,
    is_stored_error,
    read_again_at,
)
from nerava.payouts.states import IN_CLEARING, CaseKind, EvidenceSource, PayoutState, Step
from nerava.payouts.telling import tell

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.payouts.model import Payout

ACTOR: Final = "payouts"
_REFUSED: Final = "refused:"
_RANKS: Final = {
    BankState.PENDING: 1,
    BankState.IN_TRANSIT: 2,
    BankState.PAID: 3,
    BankState.FAILED: 4,
    BankState.CANCELED: 4,
}
"""What a bank's word outranks: `failed` may follow `paid` by days, and nothing follows `failed`."""

PAID_RANK: Final = _RANKS[BankState.PAID]
FAILED_RANK: Final = _RANKS[BankState.FAILED]


@dataclass(frozen=True, slots=True)
class TransferSeen:
    """The provider has it: money that went from our balance to the recipient's account."""

    sent: Sent


@dataclass(frozen=True, slots=True)
class BankSeen:
    """The provider's payout to the bank, as far as it is."""

    bank: BankPayout


@dataclass(frozen=True, slots=True)
class SeveralSeen:
    """There is more than one where there must be one."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NothingSeen:
    """A complete listing shows nothing of what this step sends."""


@dataclass(frozen=True, slots=True)
class SaidNo:
    """The provider refused the call, for good."""

    code: str


@dataclass(frozen=True, slots=True)
class NotDone:
    """It was definitely not done, and may be asked again, not before `not_before`."""

    code: str
    not_before: datetime | None = None
    needs_us: bool = False


@dataclass(frozen=True, slots=True)
class Unsure:
    """Nobody knows whether the call was carried out."""

    code: str


Fact: TypeAlias = TransferSeen | BankSeen | SeveralSeen | NothingSeen | SaidNo | NotDone | Unsure


_CALLS: Final = {NothingSeen: "nothing", SaidNo: "refused", NotDone: "not_done", Unsure: "unsure"}
"""What evidence about a call that left no trace at the provider is called."""


def apply(
    session: Session, ledger: Ledger, payout: Payout, fact: Fact, *, source: EvidenceSource, now: datetime
) -> None:
    """Let what became known have its effect on a payout whose row the caller has locked.

    Monotone: what is known is never taken back by something older, and the same twice changes
    nothing. Money comes back only when the provider has shown that it is back, or never left.

    Raises:
        SwitchedOff: Money stands still; it will be read again (503).
    """
    _note(session, payout, fact, source, now)
    payout.leased_until = None
    if PayoutState(payout.state) not in (*IN_CLEARING, PayoutState.PAID):
        _too_late(session, payout, fact, now)
        return
    match fact:
        case TransferSeen(sent):
            _transfer_seen(session, ledger, payout, sent, now)
        case BankSeen(bank):
            _bank_seen(session, ledger, payout, bank, now)
        case SeveralSeen(names):
            _stall(session, payout, "several-transfers", now, names=list(names))
        case NothingSeen():
            _nothing_seen(session, payout, now)
        case SaidNo(code):
            _said_no(session, ledger, payout, code, now)
        case NotDone():
            _not_done(session, payout, fact, now)
        case Unsure(code):
            _unsure(payout, code, now)


def was_refused(payout: Payout) -> bool:
    """Whether the last call was refused while an earlier one had an unknown end: a listing decides."""
    return (payout.last_answer or "").startswith(_REFUSED)


def begin_anew(payout: Payout) -> None:
    """Let the next call have a key of its own: it is proven that nothing came of this one."""
    payout.try_number += 1
    _forget_calls(payout)


def change_step(payout: Payout, step: Step, next_at: datetime | None) -> None:
    """Go on to another step, with calls and keys of its own."""
    payout.step, payout.next_at, payout.try_number = step.value, next_at, 1
    _forget_calls(payout)


def fail(session: Session, ledger: Ledger, payout: Payout, reason: str, now: datetime) -> None:
    """End a payout of which it is proven that the provider did not carry it out, or gave it back."""
    chains.post(session, ledger, chains.failed_chain(payout, ACTOR))
    payout.state, payout.reason, payout.ended_at = PayoutState.FAILED.value, reason[:60], now
    payout.overdue_at, payout.stalled_because = None, None
    tell(session, payout, now)
    change_step(payout, Step.OVER, None)


def _forget_calls(payout: Payout) -> None:
    payout.sends, payout.same_answers, payout.last_answer = 0, 0, None
    payout.provider_key = payout.body_hash = payout.first_sent_at = payout.last_sent_at = None
    payout.none_since = payout.gone_at = None


def _transfer_seen(session: Session, ledger: Ledger, payout: Payout, sent: Sent, now: datetime) -> None:
    if (sent.account, sent.amount_minor, sent.currency) != (
        payout.account,
        payout.amount_minor,
        payout.currency,
    ):
        _stall(session, payout, "transfer-differs", now, transfer=sent.transfer)
        return
    if payout.transfer_id not in {None, sent.transfer}:
        _stall(session, payout, "several-transfers", now, names=[payout.transfer_id, sent.transfer])
        return
    is_new = payout.transfer_id is None
    payout.transfer_id = sent.transfer
    if sent.reversed_minor >= sent.amount_minor:
        _money_is_back(session, ledger, payout, now)
    elif payout.step == Step.TAKE_BACK:
        _reschedule(payout, now)
    elif is_new:
        payout.state = PayoutState.SUBMITTED.value
        payout.stalled_because = None
        change_step(payout, Step.PAY_OUT, now)


def _money_is_back(session: Session, ledger: Ledger, payout: Payout, now: datetime) -> None:
    """The transfer was reversed in full: by us, or by somebody who did not ask our book."""
    under_way = payout.step in {Step.AWAIT, Step.WATCH} or (payout.step == Step.PAY_OUT and payout.sends > 0)
    if under_way:
        _stall(session, payout, "reversed-by-others", now, transfer=payout.transfer_id)
    elif payout.state != PayoutState.PAID:
        fail(session, ledger, payout, payout.reason or "transfer-reversed", now)
    else:
        chains.post(session, ledger, chains.returned_chain(payout, ACTOR))
        payout.state, payout.ended_at, payout.stalled_because = PayoutState.RETURNED.value, now, None
        tell(session, payout, now)
        change_step(payout, Step.OVER, None)


def _bank_seen(session: Session, ledger: Ledger, payout: Payout, bank: BankPayout, now: datetime) -> None:
    if (bank.account, bank.amount_minor, bank.currency) != (
        payout.account,
        payout.amount_minor,
        payout.currency,
    ):
        _stall(session, payout, "bank-payout-differs", now, bank_payout=bank.payout)
        return
    if payout.bank_payout_id not in {None, bank.payout}:
        _stall(session, payout, "several-bank-payouts", now, names=[payout.bank_payout_id, bank.payout])
        return
    rank = _RANKS[bank.state]
    is_new, payout.bank_payout_id = payout.bank_payout_id is None, bank.payout
    if rank <= payout.bank_rank:
        _reschedule(payout, now)
        return
    payout.bank_rank, payout.stalled_because = rank, None
    if rank == FAILED_RANK:
        payout.reason = (bank.failure or f"bank-{bank.state}")[:60]
        change_step(payout, Step.TAKE_BACK, now)
    elif rank == PAID_RANK:
        chains.post(session, ledger, chains.paid_chain(payout, ACTOR))
        payout.state, payout.paid_at, payout.overdue_at = PayoutState.PAID.value, now, None
        payout.reason = None
        tell(session, payout, now)
        change_step(payout, Step.WATCH, now + WATCHED_EVERY)
    else:
        payout.state = PayoutState.SUBMITTED.value
        if is_new:
            change_step(payout, Step.AWAIT, now + READ_GAPS[0])
        else:
            _reschedule(payout, now)


def _nothing_seen(session: Session, payout: Payout, now: datetime) -> None:
    """Too late to send again under this key: two listings, an hour apart, are proof enough for two people."""
    if PayoutState(payout.state) in IN_CLEARING:
        payout.state = PayoutState.UNKNOWN.value
    payout.next_at = now + READ_EVERY
    if payout.last_sent_at is None or now < payout.last_sent_at + FIRST_LISTING_AFTER:
        payout.next_at = now + LISTINGS_APART
    elif payout.none_since is None:
        payout.none_since, payout.next_at = now, now + LISTINGS_APART
    elif now >= payout.none_since + LISTINGS_APART and payout.gone_at is None:
        payout.gone_at = now
        _stall(session, payout, "gone", now, key=payout.provider_key)


def _said_no(session: Session, ledger: Ledger, payout: Payout, code: str, now: datetime) -> None:
    if payout.sends > 1 and not was_refused(payout):
        # An earlier call under this key had an unknown end: a listing has to show nothing first.
        payout.last_answer, payout.next_at = (_REFUSED + code)[:80], now + READ_GAPS[0]
        if PayoutState(payout.state) in IN_CLEARING:
            payout.state = PayoutState.UNKNOWN.value
        return
    refused_with_none(session, ledger, payout, code, now)


def refused_with_none(session: Session, ledger: Ledger, payout: Payout, code: str, now: datetime) -> None:
    """Let a refusal that is definite have its effect: wait for funds, go back a step, or fail."""
    if PayoutState(payout.state) in IN_CLEARING:
        payout.state = PayoutState.SUBMITTED.value
    if code in WAITS_FOR_FUNDS and payout.step != Step.TAKE_BACK:
        begin_anew(payout)
        payout.reason, payout.next_at = "waiting-for-funds", now + FUNDS_AGAIN
        open_case(
            session,
            CaseKind.LOW_BALANCE,
            f"{payout.provider}:{now:%Y-%m-%d}",
            {"code": code},
            now,
            payout=payout,
        )
    elif payout.step == Step.SEND:
        fail(session, ledger, payout, code, now)
    elif payout.step == Step.PAY_OUT:
        payout.reason = code[:60]
        change_step(payout, Step.TAKE_BACK, now)
    else:
        begin_anew(payout)
        _stall(session, payout, "take-back-refused", now, code=code)


def refusal_code(payout: Payout) -> str:
    """Return the provider's word of the refusal that a listing was to confirm."""
    return (payout.last_answer or "").removeprefix(_REFUSED)


def _not_done(session: Session, payout: Payout, fact: NotDone, now: datetime) -> None:
    if payout.sends == 1:
        # Nothing was ever begun under this key: as if it had not been sent.
        _forget_calls(payout)
    payout.reason = fact.code[:60]
    payout.next_at = max(fact.not_before or now, now + READ_GAPS[0])
    if fact.needs_us:
        _stall(session, payout, "misconfigured", now, code=fact.code)
        payout.next_at = now + FUNDS_AGAIN


def _unsure(payout: Payout, code: str, now: datetime) -> None:
    payout.same_answers = payout.same_answers + 1 if is_stored_error(code) else 0
    payout.last_answer = code[:80]
    if PayoutState(payout.state) in IN_CLEARING:
        payout.state = PayoutState.UNKNOWN.value
    payout.next_at = read_again_at(payout.first_sent_at or now, now)


def look_later(payout: Payout, now: datetime) -> None:
    """Let go of a payout about which nothing new was found out, until it is read again."""
    payout.leased_until = None
    if payout.step in {Step.AWAIT, Step.WATCH}:
        _reschedule(payout, now)
    else:
        payout.next_at = read_again_at(payout.first_sent_at or now, now)


def _reschedule(payout: Payout, now: datetime) -> None:
    if payout.step == Step.WATCH:
        over = payout.paid_at is not None and now >= payout.paid_at + WATCHED_FOR
        payout.next_at = None if over else now + WATCHED_EVERY
        if over:
            payout.step = Step.OVER.value
    else:
        payout.next_at = read_again_at(payout.submitted_at or now, now)


def _stall(session: Session, payout: Payout, why: str, now: datetime, **told: object) -> None:
    payout.stalled_because, payout.next_at = why, now + READ_EVERY
    if PayoutState(payout.state) in IN_CLEARING and why != "misconfigured":
        payout.state = PayoutState.UNKNOWN.value
    open_case(session, CaseKind.STALLED, f"{payout.id}:{why}", {"because": why, **told}, now, payout=payout)


def _too_late(session: Session, payout: Payout, fact: Fact, now: datetime) -> None:
    """A payout that is over learns of a transfer: two people were wrong, or somebody sent by hand."""
    if isinstance(fact, TransferSeen) and fact.sent.reversed_minor < fact.sent.amount_minor:
        told = {"transfer": fact.sent.transfer, "state": payout.state}
        open_case(
            session, CaseKind.EXTRA, f"{payout.provider}:{fact.sent.transfer}", told, now, payout=payout
        )


def _note(session: Session, payout: Payout, fact: Fact, source: EvidenceSource, now: datetime) -> None:
    name, rank, told = _told(payout, fact)
    if isinstance(fact, (NothingSeen, Unsure, NotDone)):
        told["at"] = now.isoformat()
    digest = hashlib.sha256(rfc8785.dumps({"fact": name, "told": told})).digest()  # type: ignore[dict-item]
    known = select(PayoutEvidence.id).where(
        PayoutEvidence.payout_id == payout.id, PayoutEvidence.digest == digest
    )
    if session.scalar(known) is None:
        row = PayoutEvidence(
            payout_id=payout.id,
            source=source.value,
            fact=name,
            rank=rank,
            told=told,
            digest=digest,
            read_at=now,
        )
        session.add(row)


def _told(payout: Payout, fact: Fact) -> tuple[str, int, dict[str, object]]:
    """Return how evidence is kept: its name, its rank among its kind, and what was told."""
    match fact:
        case TransferSeen(sent):
            return "transfer", 2 if sent.reversed_minor else 1, asdict(sent)
        case BankSeen(bank):
            return "bank_payout", _RANKS[bank.state], asdict(bank) | {"state": bank.state.value}
        case SeveralSeen(names):
            return "several", 0, {"names": list(names)}
        case _:
            told: dict[str, object] = {"step": payout.step, "try": payout.try_number}
            if not isinstance(fact, NothingSeen):
                told["code"] = fact.code
            return _CALLS[type(fact)], 0, told
