"""What settlements and invoices refuse."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class UnknownSettlement(NeravaError):
    """No settlement has this id, or none that the caller may see."""

    code = "unknown-settlement"
    status = HTTPStatus.NOT_FOUND
    title = "No such settlement"


class UnknownInvoice(NeravaError):
    """No invoice has this id, or none that the caller may see."""

    code = "unknown-invoice"
    status = HTTPStatus.NOT_FOUND
    title = "No such invoice"


class InvoiceOver(NeravaError):
    """The invoice is paid or written off; nothing is open of it."""

    code = "invoice-over"
    status = HTTPStatus.CONFLICT
    title = "Nothing is open of this invoice"


class PaidTooMuch(NeravaError):
    """More than what is open of the invoice; nothing was booked."""

    code = "paid-too-much"
    status = HTTPStatus.CONFLICT
    title = "More than the invoice leaves open"


class PaymentDiffers(NeravaError):
    """The bank's transfer was booked before, for another invoice or amount."""

    code = "payment-differs"
    status = HTTPStatus.CONFLICT
    title = "This transfer was booked otherwise"


class NotOverdue(NeravaError):
    """Only what is overdue is written off."""

    code = "not-overdue"
    status = HTTPStatus.CONFLICT
    title = "The invoice is not overdue"


class SettlementRefused(NeravaError):
    """The ledger refused a posting that should have been possible; nothing was moved."""

    code = "settlement-refused"
    status = HTTPStatus.CONFLICT
    title = "The ledger refused"
