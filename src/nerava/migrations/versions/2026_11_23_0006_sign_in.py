"""Users, contacts, codes and messages."""

from __future__ import annotations

from typing import Final

revision: Final = "0006"
down_revision: Final = "0005"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop them."""
