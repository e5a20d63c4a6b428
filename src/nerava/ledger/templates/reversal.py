"""A transaction is undone by its mirror: everything it moved goes back the way it came.

What can be reversed is what has moved: direct transfers and captures. A transaction that made a
hold is refused, because a reservation is ended by capture, release or expiry and its transaction
may still be going on. A release or an expiry moved nothing: beside a capture (a reduced reward
whose fee rounded to 0) it is passed over, a transaction of nothing else is refused.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Unpack
from uuid import UUID

from nerava.ledger.accounts import account_id
from nerava.ledger.chart import keeps_lots
from nerava.ledger.errors import LedgerError
from nerava.ledger.values import Kind, chain, transfer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nerava.ledger.templates import Circumstances
    from nerava.ledger.values import Chain, PostedTransfer, Transfer

_MOVED: Final = (Kind.DIRECT, Kind.CAPTURE)


class NotReversible(LedgerError):
    """The transaction cannot be undone by its mirror."""

    code = "not-reversible"
    status = HTTPStatus.CONFLICT
    title = "This transaction cannot be reversed"


def reversal(
    rows: Sequence[PostedTransfer], codes: Mapping[str, str], **circumstances: Unpack[Circumstances]
) -> Chain:
    """Return the chain that restores every balance a transaction changed.

    Last transfer first, so that each step back finds the balances it left. Points it created are
    taken from their own lot before any other; lots it consumed come back with source and expiry.

    Key: `reversal:{transaction_id}`: a transaction is reversed once. A reversal is a transaction
    too and can be reversed.
    Transfers: `credit` -> `debit` for each row that moved something.
    Refused: `insufficient` when what it brought has been spent.

    Args:
        rows: The whole transaction as posted, in chain order.
        codes: The account code for every account id in the rows.
        circumstances: As for every template; the lane is the transaction's own.

    Raises:
        NotReversible: It made a hold, or moved nothing; the rows are not one whole transaction;
            or an account's code is missing (409).
    """
    _check_whole(rows)
    if any(row.kind == Kind.HOLD for row in rows):
        raise NotReversible("it made a reservation; capture, release or expire that instead")
    moved = [row for row in rows if row.kind in _MOVED]
    if not moved:
        raise NotReversible("it ended a reservation and moved nothing")
    legs = [_mirror(row, codes) for row in reversed(moved)]
    return chain(f"reversal:{rows[0].transaction_id}", *legs, lane=rows[0].lane, **circumstances)


def _check_whole(rows: Sequence[PostedTransfer]) -> None:
    if not rows:
        raise NotReversible("there is no transfer")
    if len({row.transaction_id for row in rows}) > 1:
        raise NotReversible("the transfers belong to several transactions")
    if [row.position for row in rows] != list(range(len(rows))):
        raise NotReversible("the transfers are not a whole transaction in order")


def _mirror(row: PostedTransfer, codes: Mapping[str, str]) -> Transfer:
    debit, credit, key = _code(row.credit, codes), _code(row.debit, codes), UUID(row.key)
    return transfer(
        debit,
        credit,
        row.amount,
        lot_of=key if keeps_lots(debit) else None,
        restores=key if keeps_lots(credit) else None,
    )


def _code(account: str, codes: Mapping[str, str]) -> str:
    code = codes.get(account)
    if code is None or account_id(code) != account:
        raise NotReversible(f"no code is known for account {account}")
    return code
