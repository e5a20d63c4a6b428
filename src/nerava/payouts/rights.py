"""What the application's database role may do with payouts: carry them on, never change what was asked."""

from __future__ import annotations

from typing import Final

from nerava.payouts.model import Payout, PayoutBatch, PayoutCase, PayoutEvidence, ReconciliationRun
from nerava.platform.db.roles import TableRights

ASKED: Final = frozenset(
    {
        "id",
        "kind",
        "owner_kind",
        "owner_id",
        "method_id",
        "amount_minor",
        "fee_minor",
        "currency",
        "provider",
        "account",
        "request_key",
        "outcome_key",
        "return_key",
        "requested_by",
        "requested_at",
    }
)
"""What a payout is about; written once."""

RIGHTS: Final = (
    TableRights(
        Payout.__tablename__,
        updates=tuple(column.name for column in Payout.__table__.columns if column.name not in ASKED),
    ),
    TableRights(PayoutEvidence.__tablename__),
    TableRights(ReconciliationRun.__tablename__),
    TableRights(PayoutBatch.__tablename__, updates=("state", "checker", "decided_at")),
    TableRights(PayoutCase.__tablename__, updates=("closed_at", "closed_by", "closing_reason")),
)
"""For `grant_application_role`."""
