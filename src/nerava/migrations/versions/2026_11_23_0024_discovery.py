"""Discovery: charging sites and places by source, ways on foot, edits by hand, and imports."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import JSONType, UtcDateTime, UUIDType

revision: Final = "0024"
down_revision: Final = "0023"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "discovery_edit",
        sa.Column("thing", sa.String(5), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("reference", sa.String(200), nullable=False),
        sa.Column("field", sa.String(40), nullable=False),
        sa.Column("value", JSONType, nullable=False),
        sa.Column("original", JSONType, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("edited_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("thing IN ('place', 'site')", name="ck_discovery_edit_thing_known"),
        sa.PrimaryKeyConstraint("thing", "source", "reference", "field", name="pk_discovery_edit"),
    )
    op.create_table(
        "discovery_source",
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("attribution", sa.String(500), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("licence", sa.String(80), nullable=False),
        sa.Column("imported_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_discovery_source"),
    )
    op.create_table(
        "charging_site",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("location_id", UUIDType(), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("reference", sa.String(200), nullable=False),
        sa.Column("matched_by", sa.String(40)),
        sa.Column("is_shown", sa.Boolean(), nullable=False),
        sa.Column("links_wanted", sa.Integer(), nullable=False),
        sa.Column("links_counted", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("is_named", sa.Boolean(), nullable=False),
        sa.Column("is_exact", sa.Boolean(), nullable=False),
        sa.Column("operator", sa.String(120)),
        sa.Column("network", sa.String(120)),
        sa.Column("access", sa.String(12), nullable=False),
        sa.Column("access_text", sa.String(500)),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("address", JSONType, nullable=False),
        sa.Column("opening_hours", sa.String(500)),
        sa.Column("phone", sa.String(80)),
        sa.Column("website", sa.String(500)),
        sa.Column("is_free", sa.Boolean()),
        sa.Column("price_text", sa.String(500)),
        sa.Column("is_below_ground", sa.Boolean(), nullable=False),
        sa.Column("plugs", JSONType, nullable=False),
        sa.Column("plug_bits", sa.Integer(), nullable=False),
        sa.Column("ports", sa.Integer(), nullable=False),
        sa.Column("power_w_max", sa.Integer()),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("cell", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("absences", sa.SmallInteger(), nullable=False),
        sa.Column("gone_at", UtcDateTime()),
        sa.Column("fetched_at", UtcDateTime()),
        sa.Column("imported_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("NOT is_shown OR gone_at IS NULL", name="ck_charging_site_gone_is_not_shown"),
        sa.CheckConstraint("absences >= 0", name="ck_charging_site_absences_not_negative"),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name="ck_charging_site_latitude"),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name="ck_charging_site_longitude"),
        sa.CheckConstraint("ports >= 0", name="ck_charging_site_ports_not_negative"),
        sa.CheckConstraint("power_w_max > 0", name="ck_charging_site_power_positive"),
        sa.ForeignKeyConstraint(
            ["location_id"], ["charging_location.id"], name="fk_charging_site_location_id"
        ),
        sa.ForeignKeyConstraint(["source"], ["discovery_source.source"], name="fk_charging_site_source"),
        sa.PrimaryKeyConstraint("id", name="pk_charging_site"),
        sa.UniqueConstraint("source", "reference", name="uq_charging_site_source_reference"),
    )
    op.create_index(
        "ix_charging_site_cell",
        "charging_site",
        ["cell"],
        sqlite_where=sa.text("gone_at IS NULL"),
        postgresql_where=sa.text("gone_at IS NULL"),
    )
    op.create_index(
        "ix_charging_site_links_due",
        "charging_site",
        ["cell", "id"],
        sqlite_where=sa.text("links_wanted > links_counted"),
        postgresql_where=sa.text("links_wanted > links_counted"),
    )
    op.create_index("ix_charging_site_location_id", "charging_site", ["location_id"])
    op.create_table(
        "import_run",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("fingerprint", sa.String(200), nullable=False),
        sa.Column("phase", sa.String(9), nullable=False),
        sa.Column("position", sa.Text()),
        sa.Column("batches", sa.Integer(), nullable=False),
        sa.Column("staged", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("swapped_to", sa.BigInteger(), nullable=False),
        sa.Column("counts", JSONType, nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime()),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (phase IN ('staging', 'swapping'))",
            name="ck_import_run_finished_has_instant",
        ),
        sa.CheckConstraint(
            "phase IN ('staging', 'swapping', 'done', 'abandoned')", name="ck_import_run_phase_known"
        ),
        sa.ForeignKeyConstraint(["source"], ["discovery_source.source"], name="fk_import_run_source"),
        sa.PrimaryKeyConstraint("id", name="pk_import_run"),
    )
    op.create_index(
        "uq_import_run_unfinished",
        "import_run",
        ["source"],
        unique=True,
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "place",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("reference", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("names", JSONType, nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(120)),
        sa.Column("opening_hours", sa.String(500)),
        sa.Column("wheelchair", sa.String(10)),
        sa.Column("website", sa.String(500)),
        sa.Column("phone", sa.String(80)),
        sa.Column("address", JSONType, nullable=False),
        sa.Column("brand", sa.String(120)),
        sa.Column("brand_wikidata", sa.String(20)),
        sa.Column("doors", JSONType, nullable=False),
        sa.Column("also", JSONType, nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("cell", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("absences", sa.SmallInteger(), nullable=False),
        sa.Column("gone_at", UtcDateTime()),
        sa.Column("imported_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("absences >= 0", name="ck_place_absences_not_negative"),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name="ck_place_latitude"),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name="ck_place_longitude"),
        sa.ForeignKeyConstraint(["source"], ["discovery_source.source"], name="fk_place_source"),
        sa.PrimaryKeyConstraint("id", name="pk_place"),
        sa.UniqueConstraint("source", "reference", name="uq_place_source_reference"),
    )
    op.create_index(
        "ix_place_cell",
        "place",
        ["cell"],
        sqlite_where=sa.text("gone_at IS NULL"),
        postgresql_where=sa.text("gone_at IS NULL"),
    )
    op.create_table(
        "walk_cell",
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("cell", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["discovery_source.source"], name="fk_walk_cell_source"),
        sa.PrimaryKeyConstraint("source", "cell", name="pk_walk_cell"),
    )
    op.create_table(
        "charging_site_alias",
        sa.Column("alias", sa.String(280), nullable=False),
        sa.Column("site_id", UUIDType(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["charging_site.id"], name="fk_charging_site_alias_site_id"),
        sa.PrimaryKeyConstraint("alias", "site_id", name="pk_charging_site_alias"),
    )
    op.create_index("ix_charging_site_alias_site_id", "charging_site_alias", ["site_id"])
    op.create_table(
        "import_reject",
        sa.Column("run_id", UUIDType(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("row", sa.BigInteger()),
        sa.Column("reference", sa.String(200)),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("detail", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["import_run.id"], name="fk_import_reject_run_id"),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_import_reject"),
    )
    op.create_table(
        "import_staged",
        sa.Column("run_id", UUIDType(), nullable=False),
        sa.Column("thing", sa.String(5), nullable=False),
        sa.Column("reference", sa.String(200), nullable=False),
        sa.Column("cell", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["import_run.id"], name="fk_import_staged_run_id"),
        sa.PrimaryKeyConstraint("run_id", "thing", "reference", name="pk_import_staged"),
    )
    op.create_index("ix_import_staged_run_id_cell", "import_staged", ["run_id", "cell"])
    op.create_table(
        "walk_link",
        sa.Column("location_id", UUIDType(), nullable=False),
        sa.Column("place_id", UUIDType(), nullable=False),
        sa.Column("metres", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.SmallInteger(), nullable=False),
        sa.Column("is_estimate", sa.Boolean(), nullable=False),
        sa.CheckConstraint("metres >= 0", name="ck_walk_link_metres_not_negative"),
        sa.CheckConstraint("minutes >= 0", name="ck_walk_link_minutes_not_negative"),
        sa.ForeignKeyConstraint(["location_id"], ["charging_location.id"], name="fk_walk_link_location_id"),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name="fk_walk_link_place_id"),
        sa.PrimaryKeyConstraint("location_id", "place_id", name="pk_walk_link"),
    )
    op.create_index("ix_walk_link_place_id", "walk_link", ["place_id"])


def downgrade() -> None:
    """Drop them; an import brings all of it back but the edits by hand."""
    op.drop_table("walk_link")
    op.drop_table("import_staged")
    op.drop_table("import_reject")
    op.drop_table("charging_site_alias")
    op.drop_table("walk_cell")
    op.drop_table("place")
    op.drop_table("import_run")
    op.drop_table("charging_site")
    op.drop_table("discovery_source")
    op.drop_table("discovery_edit")
