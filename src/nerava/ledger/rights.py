"""What the application's database role may do with the ledger: add to history, never change it."""

from __future__ import annotations

from typing import Final

from nerava.ledger import model
from nerava.platform.db.roles import TableRights

_COUNTERS: Final = ("debits_posted", "credits_posted", "debits_pending", "credits_pending", "sequence")
_WORK_LISTS: Final = (model.open_hold, model.unsealed)

RIGHTS: Final = (
    *(TableRights(table.name) for table in model.HISTORY),
    TableRights(model.balance.name, updates=(*_COUNTERS, "last_posted_at", "closed")),
    TableRights(model.lot.name, updates=("remaining",)),
    *(TableRights(table.name, actions=("SELECT", "INSERT", "DELETE")) for table in _WORK_LISTS),
)
"""For `grant_application_role`. Floors and ceilings are the owner's to change."""
