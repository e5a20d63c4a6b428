"""What the application's database role may do with the audit log: add to it and read it."""

from __future__ import annotations

from typing import Final

from nerava.audit import model
from nerava.platform.db.roles import TableRights

RIGHTS: Final = (
    *(TableRights(table.name) for table in model.HISTORY),
    TableRights(model.unsealed.name, actions=("SELECT", "INSERT", "DELETE")),
)
"""For `grant_application_role`."""
