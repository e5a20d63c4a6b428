"""What the application's database role may do with legal holds: place and lift them, rewrite none."""

from __future__ import annotations

from typing import Final

from nerava.platform.db.roles import TableRights
from nerava.privacy.model import LegalHold

RIGHTS: Final = (TableRights(LegalHold.__tablename__, updates=("lifted_by", "lifted_at", "lifted_because")),)
"""For `grant_application_role`."""
