"""What a pass shows: read from the ledger whenever it is made, and hashed to see whether it changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from nerava.drivers.pass_store import PassState
from nerava.ledger import UnknownAccount
from nerava.ledger.chart import driver_nova
from nerava.ledger.reads import balance_now
from nerava.passes.ports import Content
from nerava.rewards.tiers import tier_now

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.drivers.pass_store import WalletPass


def content_of(session: Session, row: WalletPass, now: datetime) -> Content:
    """Return what a pass shows now; of one that was voided nothing but that."""
    if row.state == PassState.VOIDED.value:
        return Content(row.serial, 0, "", is_voided=True)
    try:
        points = max(0, balance_now(session, driver_nova(row.driver_id)).available)
    except UnknownAccount:  # Somebody who never had an account has no points.
        points = 0
    tier = tier_now(session, row.driver_id, now).tier
    return Content(row.serial, points, str(tier), is_voided=False)


def digest_of(content: Content) -> bytes:
    """Return 32 bytes that are others when a pass shows something else."""
    told = (content.serial, content.points, content.tier, content.is_voided)
    return hashlib.sha256(repr(told).encode()).digest()
