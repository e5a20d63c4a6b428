"""The words of settlements and invoices."""

from __future__ import annotations

from enum import StrEnum


class Cadence(StrEnum):
    """How long the periods of a merchant are, in its local calendar."""

    MONTH = "month"
    WEEK = "week"


class LineKind(StrEnum):
    """What a line of a settlement is about."""

    REDEMPTION = "redemption"
    """Points that were captured."""
    REFUND = "refund"
    """Points that were given back; the amount is below 0."""
    CLAIM = "claim"
    """The fee of a claimed perk, in minor units; part of the invoice, not of the points."""


class SettlementState(StrEnum):
    """What becomes of the money that a settlement made payable."""

    CLOSED = "closed"
    """The books are closed; whether it is paid out is decided next."""
    WAITING = "waiting"
    """There is enough to pay out and nowhere to pay it yet; see `waits_for`."""
    ROLLED_OVER = "rolled_over"
    """It stays owed, and goes out with a later settlement."""
    REQUESTED = "requested"
    """A payout of everything that was owed is under way."""


class Waits(StrEnum):
    """What a payout waits for."""

    METHOD = "method"
    """The merchant has no account that can be paid."""
    MINIMUM = "minimum"
    """Too little is owed to pay it out."""


class InvoiceState(StrEnum):
    """Whether an invoice is paid."""

    OPEN = "open"
    OVERDUE = "overdue"
    PAID = "paid"
    WRITTEN_OFF = "written_off"


UNPAID = (InvoiceState.OPEN, InvoiceState.OVERDUE)


class Dunning(StrEnum):
    """How far the merchant was reminded of an invoice."""

    NONE = "none"
    REMINDED = "reminded"
    WARNED = "warned"
    SUSPENDED = "suspended"


class PaymentKind(StrEnum):
    """How a part of an invoice was paid."""

    NETTING = "netting"
    BANK = "bank"
    WRITE_OFF = "write_off"


class NoticeKind(StrEnum):
    """What a merchant is told."""

    SETTLED = "settlement.closed"
    NO_METHOD = "settlement.no-method"
    INVOICED = "invoice.issued"
    OVERDUE = "invoice.overdue"
    REMINDED = "invoice.reminded"
    WARNED = "invoice.warned"
    SUSPENDED = "invoice.suspended"
    PAID = "invoice.paid"
    WRITTEN_OFF = "invoice.written-off"
