"""Sessions are found by their place, and places by how far north they are: two drivers may tell of one charge.

On a house that is live both are made by hand before, with `CONCURRENTLY`; this step then finds them there.
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision: Final = "0037"
down_revision: Final = "0036"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Make the indexes, where nobody has."""
    op.execute(
        "CREATE INDEX IF NOT EXISTS ix_charging_session_location_id_started_at "
        "ON charging_session (location_id, started_at)"
    )
    op.execute("CREATE INDEX IF NOT EXISTS ix_charging_location_latitude ON charging_location (latitude)")


def downgrade() -> None:
    """Drop them; the same questions are answered slowly."""
    op.drop_index("ix_charging_location_latitude", "charging_location")
    op.drop_index("ix_charging_session_location_id_started_at", "charging_session")
