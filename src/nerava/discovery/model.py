"""Tables of discovery: sites and places by source, ways between them, edits by hand, and imports."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, JSONType, UtcDateTime, UUIDType


class DiscoverySource(Base):
    """A source of places or sites, and what must be shown wherever one of its rows is."""

    __tablename__ = "discovery_source"

    source: Mapped[str] = mapped_column(String(80), primary_key=True)
    attribution: Mapped[str] = mapped_column(String(500))
    url: Mapped[str] = mapped_column(String(500))
    licence: Mapped[str] = mapped_column(String(80))
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime())


class Place(Base):
    """Something worth walking to, as one source describes it, with edits by hand laid over it.

    Rows that vanished from their source are marked gone and stay, because links and redemptions name
    them. `fingerprint` is that of the record as it came; an import that brings the same changes nothing.
    """

    __tablename__ = "place"
    __table_args__ = (
        UniqueConstraint("source", "reference"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude"),
        CheckConstraint("absences >= 0", name="absences_not_negative"),
        Index(
            "ix_place_cell",
            "cell",
            sqlite_where=text("gone_at IS NULL"),
            postgresql_where=text("gone_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    source: Mapped[str] = mapped_column(String(80), ForeignKey("discovery_source.source"))
    reference: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(200))
    names: Mapped[dict[str, Any]] = mapped_column(JSONType)
    category: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str | None] = mapped_column(String(120))
    opening_hours: Mapped[str | None] = mapped_column(String(500))
    wheelchair: Mapped[str | None] = mapped_column(String(10))
    website: Mapped[str | None] = mapped_column(String(500))
    phone: Mapped[str | None] = mapped_column(String(80))
    address: Mapped[dict[str, Any]] = mapped_column(JSONType)
    brand: Mapped[str | None] = mapped_column(String(120))
    brand_wikidata: Mapped[str | None] = mapped_column(String(20))
    doors: Mapped[list[Any]] = mapped_column(JSONType)
    also: Mapped[list[Any]] = mapped_column(JSONType)
    latitude: Mapped[float] = mapped_column(Double())
    longitude: Mapped[float] = mapped_column(Double())
    cell: Mapped[int] = mapped_column(BigInteger())
    fingerprint: Mapped[str] = mapped_column(String(32))
    absences: Mapped[int] = mapped_column(SmallInteger())
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime())


class ChargingSite(Base):
    """A charging location as one source describes it; what two sources call theirs may be one location.

    Exactly one row of a location is shown (`is_shown`): the best source that still has it. `matched_by`
    says why the row was taken for the same location as another source's; None where it made its own.
    `plug_bits` has a bit for each kind of plug (`sites.bit_of`), `power_w_max` the strongest in watts.
    The ways from here are counted again while `links_wanted` is above `links_counted`.
    """

    __tablename__ = "charging_site"
    __table_args__ = (
        UniqueConstraint("source", "reference"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude"),
        CheckConstraint("power_w_max > 0", name="power_positive"),
        CheckConstraint("ports >= 0", name="ports_not_negative"),
        CheckConstraint("absences >= 0", name="absences_not_negative"),
        CheckConstraint("NOT is_shown OR gone_at IS NULL", name="gone_is_not_shown"),
        Index(
            "ix_charging_site_cell",
            "cell",
            sqlite_where=text("gone_at IS NULL"),
            postgresql_where=text("gone_at IS NULL"),
        ),
        Index("ix_charging_site_location_id", "location_id"),
        Index(
            "ix_charging_site_links_due",
            "cell",
            "id",
            sqlite_where=text("links_wanted > links_counted"),
            postgresql_where=text("links_wanted > links_counted"),
        ),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    location_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("charging_location.id"))
    source: Mapped[str] = mapped_column(String(80), ForeignKey("discovery_source.source"))
    reference: Mapped[str] = mapped_column(String(200))
    matched_by: Mapped[str | None] = mapped_column(String(40))
    is_shown: Mapped[bool]
    links_wanted: Mapped[int] = mapped_column(Integer())
    links_counted: Mapped[int] = mapped_column(Integer())
    name: Mapped[str] = mapped_column(String(200))
    is_named: Mapped[bool]
    is_exact: Mapped[bool]
    operator: Mapped[str | None] = mapped_column(String(120))
    network: Mapped[str | None] = mapped_column(String(120))
    access: Mapped[str] = mapped_column(String(12))
    access_text: Mapped[str | None] = mapped_column(String(500))
    status: Mapped[str] = mapped_column(String(12))
    address: Mapped[dict[str, Any]] = mapped_column(JSONType)
    opening_hours: Mapped[str | None] = mapped_column(String(500))
    phone: Mapped[str | None] = mapped_column(String(80))
    website: Mapped[str | None] = mapped_column(String(500))
    is_free: Mapped[bool | None]
    price_text: Mapped[str | None] = mapped_column(String(500))
    is_below_ground: Mapped[bool]
    plugs: Mapped[list[Any]] = mapped_column(JSONType)
    plug_bits: Mapped[int] = mapped_column(Integer())
    ports: Mapped[int] = mapped_column(Integer())
    power_w_max: Mapped[int | None] = mapped_column(Integer())
    latitude: Mapped[float] = mapped_column(Double())
    longitude: Mapped[float] = mapped_column(Double())
    cell: Mapped[int] = mapped_column(BigInteger())
    fingerprint: Mapped[str] = mapped_column(String(32))
    absences: Mapped[int] = mapped_column(SmallInteger())
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime())


class ChargingSiteAlias(Base):
    """Another name of a site: of its units in the world, or of itself at another source."""

    __tablename__ = "charging_site_alias"

    alias: Mapped[str] = mapped_column(String(280), primary_key=True)
    site_id: Mapped[UUID] = mapped_column(
        UUIDType(), ForeignKey("charging_site.id"), primary_key=True, index=True
    )


class WalkCell(Base):
    """The pedestrian network of a square of zoom 14, packed (`walking.pack`); `cell` is its first cell."""

    __tablename__ = "walk_cell"

    source: Mapped[str] = mapped_column(String(80), ForeignKey("discovery_source.source"), primary_key=True)
    cell: Mapped[int] = mapped_column(BigInteger(), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary())
    fingerprint: Mapped[str] = mapped_column(String(32))


class WalkLink(Base):
    """The way on foot from a charging location to a place; metres and whole minutes, rounded up.

    `is_estimate` marks a straight line times 1.3: no way through the network is known.
    """

    __tablename__ = "walk_link"
    __table_args__ = (
        CheckConstraint("metres >= 0", name="metres_not_negative"),
        CheckConstraint("minutes >= 0", name="minutes_not_negative"),
        Index("ix_walk_link_place_id", "place_id"),
    )

    location_id: Mapped[UUID] = mapped_column(
        UUIDType(), ForeignKey("charging_location.id"), primary_key=True
    )
    place_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("place.id"), primary_key=True)
    metres: Mapped[int] = mapped_column(Integer())
    minutes: Mapped[int] = mapped_column(SmallInteger())
    is_estimate: Mapped[bool]


class DiscoveryEdit(Base):
    """What a person set one field of a row to; laid over whatever an import brings.

    `original` is what the source said when it was last imported, so that the edit can be taken back.
    """

    __tablename__ = "discovery_edit"
    __table_args__ = (CheckConstraint("thing IN ('place', 'site')", name="thing_known"),)

    thing: Mapped[str] = mapped_column(String(5), primary_key=True)
    source: Mapped[str] = mapped_column(String(80), primary_key=True)
    reference: Mapped[str] = mapped_column(String(200), primary_key=True)
    field: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[Any] = mapped_column(JSONType)
    original: Mapped[Any] = mapped_column(JSONType)
    reason: Mapped[str] = mapped_column(String(200))
    edited_at: Mapped[datetime] = mapped_column(UtcDateTime())


class ImportRun(Base):
    """One import of one source: how far it is, and what it did.

    `batches` counts what was staged, and guards it: of two processes that go on with one import the
    second notices. `swapped_to` is the last cell whose area has taken the new rows.
    """

    __tablename__ = "import_run"
    __table_args__ = (
        CheckConstraint("phase IN ('staging', 'swapping', 'done', 'abandoned')", name="phase_known"),
        CheckConstraint(
            "(finished_at IS NULL) = (phase IN ('staging', 'swapping'))", name="finished_has_instant"
        ),
        Index(
            "uq_import_run_unfinished",
            "source",
            unique=True,
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    source: Mapped[str] = mapped_column(String(80), ForeignKey("discovery_source.source"))
    fingerprint: Mapped[str] = mapped_column(String(200))
    phase: Mapped[str] = mapped_column(String(9))
    position: Mapped[str | None] = mapped_column(Text())
    batches: Mapped[int] = mapped_column(Integer())
    staged: Mapped[int] = mapped_column(Integer())
    rejected: Mapped[int] = mapped_column(Integer())
    swapped_to: Mapped[int] = mapped_column(BigInteger())
    counts: Mapped[dict[str, Any]] = mapped_column(JSONType)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class ImportStaged(Base):
    """A record that waits for its area to be swapped."""

    __tablename__ = "import_staged"
    __table_args__ = (Index("ix_import_staged_run_id_cell", "run_id", "cell"),)

    run_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("import_run.id"), primary_key=True)
    thing: Mapped[str] = mapped_column(String(5), primary_key=True)
    reference: Mapped[str] = mapped_column(String(200), primary_key=True)
    cell: Mapped[int] = mapped_column(BigInteger())
    fingerprint: Mapped[str] = mapped_column(String(32))
    body: Mapped[bytes] = mapped_column(LargeBinary())


class ImportReject(Base):
    """A row that was no record, in the order in which they were met; kept until the next import."""

    __tablename__ = "import_reject"

    run_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("import_run.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer(), primary_key=True)
    row: Mapped[int | None] = mapped_column(BigInteger())
    reference: Mapped[str | None] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(String(300))
