"""What anybody may ask the ledger: balances now, then, and at a sequence; statements; transactions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, Select, bindparam, case, func, literal, select, union_all

from nerava.ledger import model
from nerava.ledger.accounts import account_uuid
from nerava.ledger.errors import UnknownAccount
from nerava.ledger.hashing import canonical_json, metadata_of
from nerava.ledger.values import CHAIN_MAX, PostedTransfer, transfer_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

STATEMENT_MAX: Final = 1_000
_T: Final = model.transfer.c
_B: Final = model.balance.c

# Built once: building it costs more than running it, and every look at a balance runs it.
_BALANCE: Final = select(model.balance).where(_B.account_id == bindparam("account"))
_BALANCES: Final = select(model.balance).where(_B.account_id.in_(bindparam("accounts", expanding=True)))


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds, in whole minor units of its asset.

    Attributes:
        posted: Credits minus debits.
        available: `posted` less what is held on the debit side.
        sequence: Number of the last transfer that touched the account; 0 before the first.
    """

    code: str
    asset: str
    posted: int
    available: int
    sequence: int


@dataclass(frozen=True, slots=True)
class AccountBalance(Balance):
    """The balance of an account now, with its counters and limits."""

    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    floor: int | None
    ceiling: int | None
    closed: bool


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One transfer as one account saw it.

    Attributes:
        change: What it did to `posted`, signed; 0 for holds, releases and expiries.
        amount: The amount of the transfer itself, always positive.
        counterparty: Code of the account on the other side.
    """

    sequence: int
    posted_at: datetime
    effective_at: datetime
    template: str
    kind: str
    is_debit: bool
    amount: int
    change: int
    posted: int
    available: int
    counterparty: str
    key: UUID
    transaction_id: UUID
    actor: str
    metadata: dict[str, Any]


def balance_now(session: Session, code: str) -> AccountBalance:
    """Return the balance of an account as the session's snapshot has it.

    Raises:
        UnknownAccount: No account has this code (404).
    """
    row = session.execute(_BALANCE, {"account": account_uuid(code)}).one_or_none()
    if row is None:
        message = f"no account {code!r}"
        raise UnknownAccount(message)
    return _balance_in(code, row)


def balances_now(session: Session, codes: Sequence[str]) -> dict[str, AccountBalance]:
    """Return the balances of accounts, by code, in one statement; unknown ones are left out."""
    names = {account_uuid(code): code for code in codes}
    rows = session.execute(_BALANCES, {"accounts": list(names)})
    return {names[row.account_id]: _balance_in(names[row.account_id], row) for row in rows}


def _balance_in(code: str, row: Row[Any]) -> AccountBalance:
    posted = row.credits_posted - row.debits_posted
    return AccountBalance(
        code=code,
        asset=row.asset,
        posted=posted,
        available=posted - row.debits_pending,
        sequence=row.sequence,
        debits_posted=row.debits_posted,
        credits_posted=row.credits_posted,
        debits_pending=row.debits_pending,
        credits_pending=row.credits_pending,
        floor=row.floor,
        ceiling=row.ceiling,
        closed=bool(row.closed),
    )


def available_now(session: Session, codes: Sequence[str]) -> dict[str, int]:
    """Return what is available in accounts, by code, in one statement; unknown ones are left out."""
    names = {account_uuid(code): code for code in codes}
    available = (_B.credits_posted - _B.debits_posted - _B.debits_pending).label("available")
    rows = session.execute(select(_B.account_id, available).where(_B.account_id.in_(names)))
    return {names[row.account_id]: row.available for row in rows}


def balance_at_sequence(session: Session, code: str, sequence: int) -> Balance:
    """Return the balance just after the account's transfer number `sequence`; 0 means before any.

    A number beyond the last one gives the balance now.

    Raises:
        UnknownAccount: No account has this code (404).
        ValueError: The number is negative.
    """
    if sequence < 0:
        message = "a sequence number is 0 or more"
        raise ValueError(message)
    now = balance_now(session, code)
    if sequence >= now.sequence:
        return Balance(code, now.asset, now.posted, now.available, now.sequence)
    if sequence == 0:
        return Balance(code, now.asset, 0, 0, 0)
    row = _entry(session, account_uuid(code), sequence)
    return Balance(code, now.asset, row.posted, row.available, sequence)


def balance_at(session: Session, code: str, at: datetime) -> Balance:
    """Return the balance as it was known at an instant: after the last transfer posted by then.

    Instants of posting never decrease along an account's sequence, so this is a binary search
    over the sequence index, a few dozen look-ups however long the history.

    Raises:
        UnknownAccount: No account has this code (404).
    """
    now = balance_now(session, code)
    account = account_uuid(code)
    low, high = 0, now.sequence
    while low < high:
        middle = (low + high + 1) // 2
        if _entry(session, account, middle).posted_at <= at:
            low = middle
        else:
            high = middle - 1
    return balance_at_sequence(session, code, low)


def statement(
    session: Session,
    code: str,
    *,
    after: int = 0,
    before: int | None = None,
    limit: int = 100,
    newest_first: bool = False,
) -> list[StatementLine]:
    """Return transfers of an account by its own sequence.

    Args:
        session: A reading session.
        code: The account's code.
        after: Only numbers above this one.
        before: Only numbers below this one.
        limit: At most this many, and never more than `STATEMENT_MAX`.
        newest_first: From the end instead of from the beginning.

    Raises:
        UnknownAccount: No account has this code (404).
    """
    account = account_uuid(code)
    if session.execute(select(_B.asset).where(_B.account_id == account)).one_or_none() is None:
        message = f"no account {code!r}"
        raise UnknownAccount(message)
    limit = max(0, min(limit, STATEMENT_MAX))
    sides = [
        _side(account, is_debit=is_debit, after=after, before=before, limit=limit, newest_first=newest_first)
        for is_debit in (True, False)
    ]
    both = union_all(*(select(side.subquery()) for side in sides)).subquery()
    order = both.c.sequence.desc() if newest_first else both.c.sequence
    other = model.account.alias()
    query = select(both, other.c.code.label("counterparty")).join(other, other.c.id == both.c.other)
    return [_line(row) for row in session.execute(query.order_by(order).limit(limit))]


def transaction(session: Session, key: UUID) -> tuple[list[PostedTransfer], dict[str, str]]:
    """Return the transfers of the transaction whose chain has this key, and its accounts' codes by id.

    Empty when no chain has the key. Their keys follow from the chain's, so this needs no index
    beside the one that makes keys unique.
    """
    keys = [transfer_key(key, position) for position in range(CHAIN_MAX)]
    rows = session.execute(select(model.transfer).where(_T.key.in_(keys)).order_by(_T.position)).all()
    if not rows or rows[0].position != 0:
        return [], {}
    ids = {row.debit for row in rows} | {row.credit for row in rows}
    codes = session.execute(
        select(model.account.c.id, model.account.c.code).where(model.account.c.id.in_(ids))
    )
    return [posted_from(row) for row in rows], {str(row.id): row.code for row in codes}


def key_of_transaction(session: Session, transaction_id: UUID) -> UUID | None:
    """Return the key of the chain that was posted as this transaction, None if there is none."""
    # The first transfer of a transaction gives it its id, and has the key of the chain.
    wanted = select(_T.key).where(_T.id == transaction_id, _T.transaction_id == transaction_id)
    found: UUID | None = session.scalar(wanted)
    return found


def chains_behind(session: Session, keys: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return, by the key of a transfer, the key of the chain where its story began.

    That of a direct transfer or a hold is its own chain; that of what ended a hold is the hold's.
    """
    mine, held, first = (model.transfer.alias(name) for name in ("mine", "held", "first"))
    began = func.coalesce(held.c.transaction_id, mine.c.transaction_id)
    query = (
        select(mine.c.key, first.c.key.label("chain"))
        .select_from(mine)
        .outerjoin(held, held.c.id == mine.c.hold_id)
        # The first transfer of a transaction gives it its id, and has the key of the chain.
        .join(first, first.c.id == began)
        .where(mine.c.key.in_(keys))
    )
    return {row.key: row.chain for row in session.execute(query)}


def posted_from(row: Row[Any]) -> PostedTransfer:
    """Return a row read through SQLAlchemy the way the writer has it: ids, keys and metadata as text."""
    values = row._asdict()
    for name in ("id", "key", "transaction_id", "debit", "credit", "hold_id", "batch_id"):
        values[name] = values[name] and str(values[name])
    values["metadata"] = canonical_json(metadata_of(values["metadata"]))
    return PostedTransfer(**values)


def _entry(session: Session, account: UUID, sequence: int) -> Row[Any]:
    sides = [
        select(posted.label("posted"), available.label("available"), _T.posted_at.label("posted_at")).where(
            side == account, number == sequence
        )
        for side, number, posted, available in (
            (_T.debit, _T.debit_sequence, _T.debit_posted, _T.debit_available),
            (_T.credit, _T.credit_sequence, _T.credit_posted, _T.credit_available),
        )
    ]
    return session.execute(union_all(*sides)).one()


def _side(
    account: UUID, *, is_debit: bool, after: int, before: int | None, limit: int, newest_first: bool
) -> Select[Any]:
    mine, other = (_T.debit, _T.credit) if is_debit else (_T.credit, _T.debit)
    number = _T.debit_sequence if is_debit else _T.credit_sequence
    moves = _T.kind.in_(("direct", "capture"))
    sign = -1 if is_debit else 1
    query = select(
        number.label("sequence"),
        _T.posted_at,
        _T.effective_at,
        _T.template,
        _T.kind,
        literal(is_debit).label("is_debit"),
        _T.amount,
        case((moves, _T.amount * sign), else_=0).label("change"),
        (_T.debit_posted if is_debit else _T.credit_posted).label("posted"),
        (_T.debit_available if is_debit else _T.credit_available).label("available"),
        other.label("other"),
        _T.key,
        _T.transaction_id,
        _T.actor,
        _T.metadata,
    ).where(mine == account, number > after)
    if before is not None:
        query = query.where(number < before)
    return query.order_by(number.desc() if newest_first else number).limit(limit)


def _line(row: Row[Any]) -> StatementLine:
    values = row._asdict()
    del values["other"]
    values["is_debit"] = bool(values["is_debit"])
    values["metadata"] = metadata_of(values["metadata"])
    return StatementLine(**values)


def count_accounts(session: Session, codes: Sequence[str]) -> int:
    """Return how many of these accounts are open."""
    ids = [account_uuid(code) for code in codes]
    return session.execute(select(func.count()).where(model.account.c.id.in_(ids))).scalar_one()
