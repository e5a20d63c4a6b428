"""Cars, links to them, tokens, what cars say, and what operators say of their chargers."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import JSONType, UtcDateTime, UUIDType

revision: Final = "0032"
down_revision: Final = "0031"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables."""
    _create_vehicle()
    _create_vehicle_farewell()
    _create_vehicle_token()
    _create_vehicle_connect()
    _create_vehicle_link()
    _create_charger_status()
    _create_vehicle_signal()
    _create_vehicle_charge()


def downgrade() -> None:
    """Drop them with all that is in them."""
    for table in (
        "vehicle_charge",
        "vehicle_signal",
        "charger_status",
        "vehicle_link",
        "vehicle_connect",
        "vehicle_token",
        "vehicle_farewell",
        "vehicle",
    ):
        op.drop_table(table)


def _create_vehicle() -> None:
    op.create_table(
        "vehicle",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("vin_ix", sa.LargeBinary(32)),
        sa.Column("make", sa.String(60), nullable=False),
        sa.Column("model", sa.String(80), nullable=False),
        sa.Column("year", sa.SmallInteger()),
        sa.Column("battery_wh", sa.Integer()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("battery_wh > 0", name="ck_vehicle_battery_positive"),
        sa.PrimaryKeyConstraint("id", name="pk_vehicle"),
        sa.UniqueConstraint("vin_ix", name="uq_vehicle_vin_ix"),
    )


def _create_vehicle_farewell() -> None:
    op.create_table(
        "vehicle_farewell",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("external_id", sa.String(80), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(80)),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("attempts >= 0", name="ck_vehicle_farewell_attempts_counted"),
        sa.PrimaryKeyConstraint("id", name="pk_vehicle_farewell"),
    )
    op.create_index("ix_vehicle_farewell_next_at", "vehicle_farewell", ["next_at"])


def _create_vehicle_token() -> None:
    op.create_table(
        "vehicle_token",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("user_id", UUIDType()),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("good_until", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("not_before", UtcDateTime()),
        sa.Column("trouble", sa.String(80)),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('good', 'reauth_required')", name="ck_vehicle_token_state_known"),
        sa.CheckConstraint("generation >= 0", name="ck_vehicle_token_generation_counted"),
        sa.PrimaryKeyConstraint("id", name="pk_vehicle_token"),
        sa.UniqueConstraint("provider", "account", name="uq_vehicle_token_provider_account"),
    )
    op.create_index("ix_vehicle_token_user_id", "vehicle_token", ["user_id"])


def _create_vehicle_connect() -> None:
    op.create_table(
        "vehicle_connect",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("state_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("driver_id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("session_id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("consent_text", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("account", sa.String(80)),
        sa.Column("code", sa.LargeBinary()),
        sa.Column("trouble", sa.String(80)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("returned_at", UtcDateTime()),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("done_at", UtcDateTime()),
        sa.CheckConstraint(
            "(state = 'returned') = (next_at IS NOT NULL)", name="ck_vehicle_connect_returned_is_due"
        ),
        sa.CheckConstraint(
            "state IN ('asked', 'returned', 'done', 'failed')", name="ck_vehicle_connect_state_known"
        ),
        sa.CheckConstraint("attempts >= 0", name="ck_vehicle_connect_attempts_counted"),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name="fk_vehicle_connect_driver_id"),
        sa.PrimaryKeyConstraint("id", name="pk_vehicle_connect"),
        sa.UniqueConstraint("state_hash", name="uq_vehicle_connect_state_hash"),
    )
    op.create_index("ix_vehicle_connect_created_at", "vehicle_connect", ["created_at"])
    op.create_index("ix_vehicle_connect_driver_id", "vehicle_connect", ["driver_id"])
    op.create_index("ix_vehicle_connect_next_at", "vehicle_connect", ["next_at"])


def _create_vehicle_link() -> None:
    op.create_table(
        "vehicle_link",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("vehicle_id", UUIDType(), nullable=False),
        sa.Column("driver_id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("external_id", sa.String(80), nullable=False),
        sa.Column("mode", sa.String(4), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("trouble", sa.String(80)),
        sa.Column("consent_text", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("consented_at", UtcDateTime(), nullable=False),
        sa.Column("not_before", UtcDateTime()),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("heard_at", UtcDateTime()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("ended_because", sa.String(12)),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_at IS NOT NULL)", name="ck_vehicle_link_ended_at_an_instant"
        ),
        sa.CheckConstraint(
            "ended_because IN ('by-driver', 'at-provider', 'by-ops')", name="ck_vehicle_link_ending_known"
        ),
        sa.CheckConstraint("mode IN ('live', 'test')", name="ck_vehicle_link_mode_known"),
        sa.CheckConstraint("state <> 'ended' OR next_at IS NULL", name="ck_vehicle_link_ended_is_not_read"),
        sa.CheckConstraint(
            "state IN ('active', 'review', 'broken', 'ended')", name="ck_vehicle_link_state_known"
        ),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_because IS NULL)", name="ck_vehicle_link_ended_for_a_reason"
        ),
        sa.CheckConstraint("attempts >= 0", name="ck_vehicle_link_attempts_counted"),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name="fk_vehicle_link_driver_id"),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicle.id"], name="fk_vehicle_link_vehicle_id"),
        sa.PrimaryKeyConstraint("id", name="pk_vehicle_link"),
    )
    op.create_index("ix_vehicle_link_driver_id", "vehicle_link", ["driver_id"])
    op.create_index("ix_vehicle_link_next_at", "vehicle_link", ["next_at"])
    op.create_index("ix_vehicle_link_vehicle_id", "vehicle_link", ["vehicle_id"])
    op.create_index(
        "uq_vehicle_link_holding",
        "vehicle_link",
        ["vehicle_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('active', 'broken')"),
        postgresql_where=sa.text("state IN ('active', 'broken')"),
    )
    op.create_index(
        "uq_vehicle_link_named",
        "vehicle_link",
        ["provider", "account", "external_id", "driver_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'ended'"),
        postgresql_where=sa.text("state <> 'ended'"),
    )


def _create_charger_status() -> None:
    op.create_table(
        "charger_status",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("evse_id", UUIDType(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("in_use", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.ForeignKeyConstraint(["evse_id"], ["evse.id"], name="fk_charger_status_evse_id"),
        sa.PrimaryKeyConstraint("id", name="pk_charger_status"),
        sa.UniqueConstraint("evse_id", "at", name="uq_charger_status_evse_id_at"),
    )
    op.create_index("ix_charger_status_at", "charger_status", ["at"])


def _create_vehicle_signal() -> None:
    op.create_table(
        "vehicle_signal",
        sa.Column("link_id", UUIDType(), nullable=False),
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("body", JSONType, nullable=False),
        sa.Column("trouble", sa.String(80)),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["vehicle_link.id"], name="fk_vehicle_signal_link_id"),
        sa.PrimaryKeyConstraint("link_id", "code", name="pk_vehicle_signal"),
    )


def _create_vehicle_charge() -> None:
    op.create_table(
        "vehicle_charge",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("vehicle_id", UUIDType(), nullable=False),
        sa.Column("link_id", UUIDType(), nullable=False),
        sa.Column("driver_id", UUIDType(), nullable=False),
        sa.Column("session_id", UUIDType()),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("doubts", JSONType, nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("level_first", sa.Integer()),
        sa.Column("level_last", sa.Integer()),
        sa.Column("counted_first_wh", sa.BigInteger()),
        sa.Column("counted_last_wh", sa.BigInteger()),
        sa.Column("samples", JSONType, nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("due_at", UtcDateTime()),
        sa.CheckConstraint("(ended_at IS NULL) = (due_at IS NOT NULL)", name="ck_vehicle_charge_open_is_due"),
        sa.CheckConstraint("last_at >= started_at", name="ck_vehicle_charge_goes_forward"),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name="fk_vehicle_charge_driver_id"),
        sa.ForeignKeyConstraint(["link_id"], ["vehicle_link.id"], name="fk_vehicle_charge_link_id"),
        sa.ForeignKeyConstraint(["session_id"], ["charging_session.id"], name="fk_vehicle_charge_session_id"),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicle.id"], name="fk_vehicle_charge_vehicle_id"),
        sa.PrimaryKeyConstraint("id", name="pk_vehicle_charge"),
    )
    op.create_index("ix_vehicle_charge_driver_id", "vehicle_charge", ["driver_id"])
    op.create_index("ix_vehicle_charge_due_at", "vehicle_charge", ["due_at"])
    op.create_index("ix_vehicle_charge_link_id", "vehicle_charge", ["link_id"])
    op.create_index("ix_vehicle_charge_session_id", "vehicle_charge", ["session_id"])
    op.create_index(
        "uq_vehicle_charge_open",
        "vehicle_charge",
        ["vehicle_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
