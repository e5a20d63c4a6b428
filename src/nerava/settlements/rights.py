"""What the application's database role may do with settlements and invoices: never change an amount."""

from __future__ import annotations

from typing import Final

from nerava.platform.db.roles import TableRights
from nerava.settlements.model import Invoice, InvoicePayment, Settlement, SettlementLine

RIGHTS: Final = (
    TableRights(
        Settlement.__tablename__,
        updates=(
            "netted_minor",
            "state",
            "waits_for",
            "payout_id",
            "payout_minor",
            "next_at",
            "leased_until",
            "version",
        ),
    ),
    TableRights(SettlementLine.__tablename__),
    TableRights(Invoice.__tablename__, updates=("state", "dunning", "ended_at", "next_at")),
    TableRights(InvoicePayment.__tablename__),
)
"""For `grant_application_role`."""
