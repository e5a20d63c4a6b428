"""Ops look into the ledger: balances, statements, the audit, proofs of all of it."""

from __future__ import annotations

import json
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.ledger import UnknownAccount
from nerava.ledger.proving import ask, look, proofs
from nerava.ledger.reads import key_of_transaction, transaction
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.corrections import REVERSIBLE, UnknownTransaction
from nerava.web.api.fields import Instant
from nerava.web.api.places import after_id
from nerava.web.api.statements import AccountLineOut, ops_page, page_of_lines, words
from nerava.web.api.wiring import Now, Wired, router
from nerava.web.checks import CHECKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from nerava.ledger.values import PostedTransfer

routes: Final = router("ops: ledger")

OPS: Final = (Role.OPS_SUPPORT.value, Role.OPS_FINANCE.value, Role.OPS_ADMIN.value)
_READS: Final = Policy(roles=OPS, scope="ledger:read")

AccountCode = Annotated[
    str, Path(max_length=120, pattern="^[a-z0-9][a-z0-9:._-]*$", examples=["nova:reserve", "platform:promo"])
]


class AccountOut(BaseModel):
    """An account and what it holds now, in whole minor units of its asset."""

    code: str
    asset: str
    posted: int
    available: int
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    floor: int | None
    ceiling: int | None
    closed: bool
    sequence: int


class PastBalanceOut(BaseModel):
    """What an account held after the last movement posted by an instant."""

    code: str
    asset: str
    at: datetime
    posted: int
    available: int
    sequence: int


class TransferOut(BaseModel):
    """One entry of a transaction: so much from `debit` to `credit`, and what both held after it."""

    number: int = Field(description="Its place in the transaction, from 1")
    kind: str
    debit: str
    credit: str
    asset: str
    amount: int
    debit_posted: int
    credit_posted: int


class TransactionOut(BaseModel):
    """What was posted together, whole or not at all. Amounts in minor units of each entry's asset."""

    transaction_id: UUID
    key: UUID = Field(description="The fact that it is about; one fact is posted once")
    template: str
    text: str
    actor: str
    posted_at: datetime
    effective_at: datetime = Field(description="When it happened in the world")
    metadata: dict[str, Any]
    is_reversible: bool = Field(description="Whether `/reversal` takes it; others have ways of their own")
    entries: list[TransferOut]


class FindingOut(BaseModel):
    """One break of one invariant."""

    check: str
    subject: str
    detail: str


class ProofOut(BaseModel):
    """All of the books read from end to end: every invariant, and the hash chain computed again."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    asked_at: datetime
    began_at: datetime | None = Field(description="Null while it waits for its turn")
    ended_at: datetime | None = Field(description="Null while it goes on")
    transfers: int | None = Field(description="How many were read: all that were posted when it began")
    broken: int | None = Field(description="How much is wrong; what it is are findings and alarms")


class ChainOut(BaseModel):
    """How far the hash chain is proven: on long books its end was looked at now, all of it by `last`."""

    last: ProofOut | None = Field(description="The last proof that ended; null if there was none yet")
    coming: ProofOut | None = Field(description="The proof that waits or goes on")


class AuditOut(BaseModel):
    """The result of the audit; `clean` means every point is backed and every sum is right."""

    clean: bool
    audited_at: datetime
    history_audited_at: datetime = Field(
        description="When all of history was read: now, or on long books by the last proof"
    )
    findings: list[FindingOut]
    chain: ChainOut | None = Field(description="Null unless asked for")


@routes.get("/ops/accounts/{code}", summary="Balance of an account", responses=problems(UnknownAccount))
@guarded(_READS)
def account(code: AccountCode, wired: Wired) -> AccountOut:
    """Return the four counters, the limits, and what follows from them."""
    return AccountOut.model_validate(wired.ledger.balance(code), from_attributes=True)


@routes.get(
    "/ops/accounts/{code}/balance-at",
    summary="Balance of an account in the past",
    responses=problems(UnknownAccount),
)
@guarded(_READS)
def account_then(
    code: AccountCode,
    at: Annotated[Instant, Query(description="An instant with its offset")],
    wired: Wired,
) -> PastBalanceOut:
    """Return what the account held at an instant, as it was known then."""
    found = wired.ledger.balance_at(code, at)
    return PastBalanceOut(
        code=code,
        asset=found.asset,
        at=at,
        posted=found.posted,
        available=found.available,
        sequence=found.sequence,
    )


@routes.get(
    "/ops/accounts/{code}/statement", summary="Statement of an account", responses=problems(UnknownAccount)
)
@guarded(_READS)
def account_statement(
    code: AccountCode, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[AccountLineOut]:
    """Return the movements with their other side, newest first."""
    return ops_page(
        *wired.database.read(lambda session: page_of_lines(session, code, cursor=cursor, limit=limit))
    )


@routes.get(
    "/ops/transactions/{transaction_id}",
    summary="One transaction with its entries",
    responses=problems(UnknownTransaction),
)
@guarded(_READS)
def one_transaction(transaction_id: UUID, wired: Wired) -> TransactionOut:
    """Return what was posted together, in its order."""

    def work(session: Session) -> TransactionOut:
        key = key_of_transaction(session, transaction_id)
        if key is None:
            raise UnknownTransaction(f"no transaction {transaction_id}")
        rows, codes = transaction(session, key)
        first = rows[0]
        return TransactionOut(
            transaction_id=transaction_id,
            key=key,
            template=first.template,
            text=words(first.template, first.kind),
            actor=first.actor,
            posted_at=first.posted_at,
            effective_at=first.effective_at,
            metadata=json.loads(first.metadata),
            is_reversible=first.template in REVERSIBLE,
            entries=[_transfer(row, codes) for row in rows],
        )

    return wired.database.read(work)


def _transfer(row: PostedTransfer, codes: Mapping[str, str]) -> TransferOut:
    return TransferOut(
        number=row.position + 1,
        kind=row.kind,
        debit=codes[row.debit],
        credit=codes[row.credit],
        asset=row.asset,
        amount=row.amount,
        debit_posted=row.debit_posted,
        credit_posted=row.credit_posted,
    )


@routes.get("/ops/audit", summary="Audit the ledger")
@guarded(_READS)
def run_audit(
    wired: Wired,
    now: Now,
    *,
    chain: Annotated[bool, Query(description="Also look at the hash chain")] = False,
) -> AuditOut:
    """Check the invariants of the books on one snapshot, and the hash chain if asked.

    What holds now is checked now. History is read and the chain computed again, too, as long as each
    takes two seconds at most; on longer books the end of the chain is, and for the rest it counts what
    the last proof found: there is one a day, and when asked for (`POST /v1/ops/proofs`).
    """

    def work(session: Session) -> AuditOut:
        looked = look(session, CHECKS, now, chain=chain)
        shown = [FindingOut(check=one.check, subject=one.subject, detail=one.detail) for one in looked.found]
        known = ChainOut.model_validate(looked, from_attributes=True) if chain else None
        return AuditOut(
            clean=not shown,
            audited_at=now,
            history_audited_at=looked.history_at,
            findings=shown,
            chain=known,
        )

    return wired.database.read(work, patient=True)


@routes.post(
    "/ops/proofs",
    summary="Prove all of the books",
    status_code=HTTPStatus.ACCEPTED,
    response_model=ProofOut,
)
@guarded(Policy(roles=OPS, scope="ledger:prove", repeats=Repeats.BY_MEANING))
def ask_for_proof(actor: Acting, wired: Wired, now: Now) -> Response:
    """Have all of the books read from end to end, soon and in the background.

    While a proof waits, that one is returned; while one goes on, another one follows it.
    """

    def work(session: Session) -> ProofOut:
        asked = ask(session, now)
        if asked.asked_at == now:
            wired.audit.record(session, actor.entry("book_proof.ask", "book_proof", asked.id), now)
        return ProofOut.model_validate(asked)

    asked = wired.database.run(work, essential=True)
    return Response(asked.model_dump_json(), HTTPStatus.ACCEPTED, media_type="application/json")


@routes.get("/ops/proofs", summary="When the books were proven")
@guarded(_READS)
def list_proofs(wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT) -> Page[ProofOut]:
    """Return proofs of all of the books, the newest first."""
    after = after_id(cursor)

    def work(session: Session) -> list[ProofOut]:
        return [ProofOut.model_validate(one) for one in proofs(session, after=after, limit=limit)]

    return page_by_id(wired.database.read(work), limit)
