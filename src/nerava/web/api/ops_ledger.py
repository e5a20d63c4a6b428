"""Ops look into the ledger: balances, statements, the audit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import BaseModel

from nerava.identity.roles import Role
from nerava.ledger import UnknownAccount
from nerava.ledger.audit import audit
from nerava.ledger.verify import verify
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import problems
from nerava.web.api.fields import Instant
from nerava.web.api.statements import AccountLineOut, ops_page, page_of_lines
from nerava.web.api.wiring import Now, Wired, router
from nerava.web.checks import CHECKS

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


class FindingOut(BaseModel):
    """One break of one invariant."""

    check: str
    subject: str
    detail: str


class AuditOut(BaseModel):
    """The result of the audit; `clean` means every point is backed and every sum is right."""

    clean: bool
    audited_at: datetime
    findings: list[FindingOut]


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


@routes.get("/ops/audit", summary="Run the ledger audit")
@guarded(_READS)
def run_audit(
    wired: Wired,
    now: Now,
    *,
    chain: Annotated[bool, Query(description="Also recompute the hash chain over all of history")] = False,
) -> AuditOut:
    """Check every invariant of the money core, and that every grant has its posting, on one snapshot."""
    findings = wired.database.read(
        lambda session: [*audit(session, CHECKS), *(verify(session) if chain else [])], patient=True
    )
    shown = [FindingOut(check=one.check, subject=one.subject, detail=one.detail) for one in findings]
    return AuditOut(clean=not shown, audited_at=now, findings=shown)
