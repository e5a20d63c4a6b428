"""What the ledger refuses by raising; everything about money itself is a `Verdict` instead."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class LedgerError(NeravaError):
    """Root of the ledger's own errors."""


class UnknownAccount(LedgerError):
    """No account has this code."""

    code = "unknown-account"
    status = HTTPStatus.NOT_FOUND
    title = "No such account"


class AccountDiffers(LedgerError):
    """An account of this code is open already, and is another one."""

    code = "account-differs"
    status = HTTPStatus.CONFLICT
    title = "The account exists with other properties"


class UnknownTransaction(LedgerError):
    """No transaction has this key or id."""

    code = "unknown-transaction"
    status = HTTPStatus.NOT_FOUND
    title = "No such transaction"


class EffectRefused(LedgerError):
    """A row that had to commit together with a chain could not; the chain was not posted."""

    code = "effect-refused"
    status = HTTPStatus.CONFLICT
    title = "The change that belongs to this posting is not possible"


class LedgerOverloaded(LedgerError):
    """The queue of the writer is longer than anybody should wait for; nothing was executed."""

    code = "ledger-overloaded"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Too many postings at once"
    outcome = "not_executed"
    retry_after_s = 1


class LedgerClosed(LedgerError):
    """The writer is shutting down; nothing was executed."""

    code = "ledger-closed"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The ledger is shutting down"
    outcome = "not_executed"
    retry_after_s = 2
