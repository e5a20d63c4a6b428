"""What the grid emits and what electricity costs by time, and by what of it sessions were decided."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import JSONType, UtcDateTime, UUIDType

revision: Final = "0038"
down_revision: Final = "0037"
branch_labels: Final = None
depends_on: Final = None

_SIGNAL: Final = "signal IN ('marginal', 'average')"
_READ_FOR: Final = "signal IN ('marginal', 'average', 'tariffs')"
_DUE: Final = sa.text("next_at IS NOT NULL")


def upgrade() -> None:
    """Create the tables; the worker fills them."""
    op.create_table(
        "grid_region",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("signal", sa.String(8), nullable=False),
        sa.Column("read_until", UtcDateTime()),
        sa.Column("next_at", UtcDateTime()),
        sa.CheckConstraint(_READ_FOR, name="ck_grid_region_signal_known"),
        sa.PrimaryKeyConstraint("id", name="pk_grid_region"),
        sa.UniqueConstraint("source", "name", "signal", name="uq_grid_region_source_name_signal"),
    )
    op.create_index("ix_grid_region_next", "grid_region", ["next_at", "id"])
    _series()
    _sites()
    _sessions()
    op.create_table(
        "grid_tariff",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("reference", sa.String(80), nullable=False),
        sa.Column("utility", sa.String(120), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("starts_on", sa.String(10)),
        sa.Column("ends_on", sa.String(10)),
        sa.Column("document", JSONType, nullable=False),
        sa.Column("fetched_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_grid_tariff"),
        sa.UniqueConstraint("source", "reference", name="uq_grid_tariff_source_reference"),
    )
    op.create_index("ix_grid_tariff_utility_name", "grid_tariff", ["utility", "name"])
    op.create_table(
        "reward_decision_grid",
        sa.Column("session_id", UUIDType(), nullable=False),
        sa.Column("evaluation", sa.Integer(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id", "evaluation"],
            ["reward_decision.session_id", "reward_decision.evaluation"],
            name="fk_reward_decision_grid_session_id_evaluation",
        ),
        sa.PrimaryKeyConstraint("session_id", "evaluation", name="pk_reward_decision_grid"),
    )


def downgrade() -> None:
    """Drop them; series and regions are read again, what sessions were decided by is gone."""
    for table in (
        "reward_decision_grid",
        "grid_tariff",
        "grid_session",
        "grid_site",
        "grid_carbon",
        "grid_region",
    ):
        op.drop_table(table)


def _series() -> None:
    op.create_table(
        "grid_carbon",
        sa.Column("region_id", UUIDType(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("mg_per_kwh", sa.Integer(), nullable=False),
        sa.Column("fetched_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name="ck_grid_carbon_ends_after_start"),
        sa.CheckConstraint("mg_per_kwh >= 0", name="ck_grid_carbon_not_negative"),
        sa.CheckConstraint("edition > 0", name="ck_grid_carbon_edition_positive"),
        sa.ForeignKeyConstraint(["region_id"], ["grid_region.id"], name="fk_grid_carbon_region_id"),
        sa.PrimaryKeyConstraint("region_id", "starts_at", "is_settled", "edition", name="pk_grid_carbon"),
    )


def _sites() -> None:
    op.create_table(
        "grid_site",
        sa.Column("location_id", UUIDType(), nullable=False),
        sa.Column("signal", sa.String(8), nullable=False),
        sa.Column("region_id", UUIDType()),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(_READ_FOR, name="ck_grid_site_signal_known"),
        sa.ForeignKeyConstraint(["location_id"], ["charging_location.id"], name="fk_grid_site_location_id"),
        sa.ForeignKeyConstraint(["region_id"], ["grid_region.id"], name="fk_grid_site_region_id"),
        sa.PrimaryKeyConstraint("location_id", "signal", name="pk_grid_site"),
    )
    op.create_index("ix_grid_site_region_id", "grid_site", ["region_id"])


def _sessions() -> None:
    op.create_table(
        "grid_session",
        sa.Column("session_id", UUIDType(), nullable=False),
        sa.Column("signal", sa.String(8), nullable=False),
        sa.Column("region_id", UUIDType()),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.CheckConstraint(_SIGNAL, name="ck_grid_session_signal_known"),
        sa.ForeignKeyConstraint(["session_id"], ["charging_session.id"], name="fk_grid_session_session_id"),
        sa.ForeignKeyConstraint(["region_id"], ["grid_region.id"], name="fk_grid_session_region_id"),
        sa.PrimaryKeyConstraint("session_id", "signal", name="pk_grid_session"),
    )
    op.create_index("ix_grid_session_region_id_started_at", "grid_session", ["region_id", "started_at"])
    op.create_index(
        "ix_grid_session_next",
        "grid_session",
        ["next_at", "session_id"],
        sqlite_where=_DUE,
        postgresql_where=_DUE,
    )
