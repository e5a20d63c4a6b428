"""Corrections by ops: between two accounts, of one transaction, of one grant; by two people above a limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select

from nerava.identity.approvals import Kind
from nerava.kernel.errors import NeravaError
from nerava.ledger import Status, UnknownAccount
from nerava.ledger.chart import AccountKind, parse_code
from nerava.ledger.reads import key_of_transaction, transaction
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.adjustment import AdjustmentCase, AdjustmentReason, adjustment
from nerava.ledger.templates.reversal import reversal
from nerava.rewards.errors import PostingRefused, UnknownGrant
from nerava.rewards.model import RewardGrant
from nerava.rewards.taking_back import Decision, take_back
from nerava.web.api.presents import OwnAccount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy.orm import Session

    from nerava.identity.guard import Principal
    from nerava.ledger import Chain, Ledger
    from nerava.ledger.values import PostedTransfer

ADJUSTMENT: Final = Kind("adjustment", daily=1_000_000)
REVERSAL: Final = Kind("reversal", daily=1_000_000)
CLAWBACK: Final = Kind("clawback", daily=1_000_000)
WRITE_OFF: Final = Kind("invoice_write_off", daily=1_000_000)
"""What is given up of invoices within any 24 hours is at most this many minor units."""

_ADJUSTABLE: Final = frozenset({
    AccountKind.DRIVER_NOVA,
    AccountKind.NOVA_ISSUANCE,
    AccountKind.SPONSOR_PREPAID,
    AccountKind.SPONSOR_RECEIVABLE,
    AccountKind.MERCHANT_PAYABLE,
    AccountKind.MERCHANT_RECEIVABLE,
    AccountKind.PLATFORM_PROMO,
    AccountKind.PLATFORM_FEES,
    AccountKind.PLATFORM_BREAKAGE,
    AccountKind.PLATFORM_ADJUSTMENTS,
    AccountKind.PROCESSOR_FEES,
})  # fmt: skip
"""The others are counted by rows of the application, which a correction would contradict."""

_AT_PROVIDERS: Final = frozenset({AdjustmentReason.DISPUTE, AdjustmentReason.RECONCILIATION})
"""Why what lies at a provider may be corrected: the provider's own book says otherwise."""

REVERSIBLE: Final = frozenset({"adjustment", "promo_funding", "promo_grant", "reversal"})
"""What the other templates moved is taken back by a way of its own, rows included."""


class NotAdjustable(NeravaError):
    """Rows of the application count what this account holds; it is corrected where they are."""

    code = "account-not-adjustable"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "This account is not adjusted by hand"


class FloorReached(NeravaError):
    """An account would hold less than it may; nothing was moved."""

    code = "floor-reached"
    status = HTTPStatus.CONFLICT
    title = "The account holds too little"


class UnknownTransaction(NeravaError):
    """No transaction has this id."""

    code = "unknown-transaction"
    status = HTTPStatus.NOT_FOUND
    title = "No such transaction"


class ReversedOtherwise(NeravaError):
    """Its kind has a way of its own to be taken back: a clawback, a refund, a cancelled payout."""

    code = "reversed-otherwise"
    status = HTTPStatus.CONFLICT
    title = "This is taken back another way"


class AlreadyReversed(NeravaError):
    """A transaction is reversed once."""

    code = "already-reversed"
    status = HTTPStatus.CONFLICT
    title = "This transaction has been reversed"


class ClawbackReason(StrEnum):
    """Why a person takes points back."""

    CREDITED = "credited"
    FRAUD = "fraud"
    MISTAKE = "mistake"


class CorrectionOut(BaseModel):
    """A correction that was made."""

    transaction_id: UUID | None = Field(description="null when nothing was there to be taken")
    posted_at: datetime | None
    taken: int = Field(description="What was moved, in minor units")
    owed: int = Field(description="What the driver did not have; later earnings pay it")


class Signed(NamedTuple):
    """By whom a correction is made: its id, who asked, and the second person if there is one."""

    reference: UUID
    asked_by: str
    approved_by: str | None
    now: datetime


class Correction(Protocol):
    """Something that one person may do up to a limit, and two above it."""

    @property
    def kind(self) -> Kind:
        """What its approvals count together with."""
        ...

    @property
    def asked(self) -> Mapping[str, Any]:
        """It in the words of a request for approval."""
        ...

    def weight(self, session: Session) -> int:
        """Return how much it moves, in minor units."""
        ...

    def refuse_own(self, session: Session, principal: Principal) -> None:
        """Check that it touches no account of the caller's own."""
        ...

    def carry_out(self, session: Session, ledger: Ledger, signed: Signed) -> CorrectionOut:
        """Do it in the caller's unit of work."""
        ...


@dataclass(frozen=True, slots=True)
class Adjustment:
    """So much from one account to another."""

    debit: str
    credit: str
    amount: int
    reason: AdjustmentReason

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> Self:
        """Return what was asked for in `asked`."""
        return cls(asked["debit"], asked["credit"], asked["amount"], AdjustmentReason(asked["reason"]))

    @property
    def kind(self) -> Kind:
        """What its approvals count together with."""
        return ADJUSTMENT

    @property
    def asked(self) -> Mapping[str, Any]:
        """It in the words of a request for approval."""
        return {
            "debit": self.debit,
            "credit": self.credit,
            "amount": self.amount,
            "reason": self.reason.value,
        }

    def weight(self, _session: Session) -> int:
        """Return how much it moves."""
        return self.amount

    def refuse_own(self, _session: Session, principal: Principal) -> None:
        """Check that both accounts may be adjusted, and that neither is the caller's.

        Raises:
            UnknownAccountCode: The chart has no such account (422).
            NotAdjustable: Rows count what one of them holds (422).
            OwnAccount: One of them is the caller's (403).
        """
        for code in (self.debit, self.credit):
            kind = parse_code(code).kind
            at_provider = kind is AccountKind.EXTERNAL and self.reason in _AT_PROVIDERS
            if kind not in _ADJUSTABLE and not at_provider:
                raise NotAdjustable(f"{code} is not adjusted by hand")
        _refuse_own(principal, (self.debit, self.credit))

    def carry_out(self, session: Session, ledger: Ledger, signed: Signed) -> CorrectionOut:
        """Post it."""
        case = AdjustmentCase(self.reason, signed.asked_by, signed.approved_by)
        chain = adjustment(
            adjustment_id=signed.reference,
            debit=self.debit,
            credit=self.credit,
            amount=self.amount,
            case=case,
        )
        return _posted(session, ledger, chain, self.amount)


@dataclass(frozen=True, slots=True)
class Reversal:
    """The mirror of one transaction."""

    transaction_id: UUID
    reason: AdjustmentReason

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> Self:
        """Return what was asked for in `asked`."""
        return cls(UUID(asked["transaction_id"]), AdjustmentReason(asked["reason"]))

    @property
    def kind(self) -> Kind:
        """What its approvals count together with."""
        return REVERSAL

    @property
    def asked(self) -> Mapping[str, Any]:
        """It in the words of a request for approval."""
        return {"transaction_id": str(self.transaction_id), "reason": self.reason.value}

    def weight(self, session: Session) -> int:
        """Return the greatest amount that it moves back."""
        return max(row.amount for row in self._found(session)[0])

    def refuse_own(self, session: Session, principal: Principal) -> None:
        """Check that it may be reversed this way, and touches no account of the caller's.

        Raises:
            UnknownTransaction: There is none (404).
            ReversedOtherwise: It is taken back another way (409).
            OwnAccount: It touches an account of the caller's (403).
        """
        rows, codes = self._found(session)
        if rows[0].template not in REVERSIBLE:
            raise ReversedOtherwise(f"{rows[0].template} has a way of its own to be taken back")
        _refuse_own(principal, codes.values())

    def carry_out(self, session: Session, ledger: Ledger, signed: Signed) -> CorrectionOut:
        """Post the mirror.

        Raises:
            AlreadyReversed: It was posted before (409).
        """
        rows, codes = self._found(session)
        notes = {"reason": self.reason.value, "approved_by": signed.approved_by}
        chain = reversal(rows, codes, actor=signed.asked_by, metadata=notes)
        if key_exists(session, chain):
            raise AlreadyReversed
        return _posted(session, ledger, chain, self.weight(session))

    def _found(self, session: Session) -> tuple[list[PostedTransfer], dict[str, str]]:
        key = key_of_transaction(session, self.transaction_id)
        if key is None:
            raise UnknownTransaction(f"no transaction {self.transaction_id}")
        return transaction(session, key)


@dataclass(frozen=True, slots=True)
class Taking:
    """Points of one grant that were not earned."""

    grant_id: UUID
    points: int
    reason: ClawbackReason

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> Self:
        """Return what was asked for in `asked`."""
        return cls(UUID(asked["grant_id"]), asked["points"], ClawbackReason(asked["reason"]))

    @property
    def kind(self) -> Kind:
        """What its approvals count together with."""
        return CLAWBACK

    @property
    def asked(self) -> Mapping[str, Any]:
        """It in the words of a request for approval."""
        return {"grant_id": str(self.grant_id), "points": self.points, "reason": self.reason.value}

    def weight(self, _session: Session) -> int:
        """Return how many points it takes."""
        return self.points

    def refuse_own(self, session: Session, principal: Principal) -> None:
        """Check that the grant is there and not the caller's.

        Raises:
            UnknownGrant: There is none (404).
            OwnAccount: It is the caller's (403).
        """
        driver_id = session.scalar(select(RewardGrant.driver_id).where(RewardGrant.id == self.grant_id))
        if driver_id is None:
            raise UnknownGrant(f"no grant {self.grant_id}")
        if driver_id in _tenants(principal):
            raise OwnAccount

    def carry_out(self, session: Session, ledger: Ledger, signed: Signed) -> CorrectionOut:
        """Take the points, and leave what is not there owed."""
        decision = Decision(
            signed.reference,
            self.points,
            f"clawback.{self.reason.value}",
            signed.approved_by or signed.asked_by,
        )
        done = take_back(session, ledger, self.grant_id, decision, now=signed.now)
        return CorrectionOut(transaction_id=None, posted_at=signed.now, taken=done.taken, owed=done.owed)


READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Correction]]] = {
    ADJUSTMENT.name: Adjustment.read,
    REVERSAL.name: Reversal.read,
    CLAWBACK.name: Taking.read,
}
"""How a correction is read back from a request for approval, by its kind."""


def key_exists(session: Session, chain: Chain) -> bool:
    """Return whether a chain was posted before."""
    return bool(transaction(session, chain.key)[0])


def _posted(session: Session, ledger: Ledger, chain: Chain, amount: int) -> CorrectionOut:
    verdict = ledger.post(session, chain)
    match verdict.status:
        case Status.POSTED | Status.EXISTS:
            return CorrectionOut(
                transaction_id=verdict.transaction_id, posted_at=verdict.posted_at, taken=amount, owed=0
            )
        case Status.INSUFFICIENT:
            raise FloorReached
        case Status.NO_ACCOUNT:
            raise UnknownAccount("one of the accounts was never opened")
        case Status.SWITCHED_OFF:
            raise SwitchedOff
        case other:
            raise PostingRefused(f"the ledger said {other}", status=other)


def _refuse_own(principal: Principal, codes: Iterable[str]) -> None:
    mine = {str(one) for one in _tenants(principal)}
    if any(parse_code(code).owner in mine for code in codes):
        raise OwnAccount


def _tenants(principal: Principal) -> set[UUID]:
    return {one.tenant_id for one in principal.memberships if one.tenant_id is not None}
