"""The city of a demo: real streets, real chargers, and invented ones in real car parks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.charging.model import ChargingLocation
from nerava.discovery.feeds import Attribution, Batch
from nerava.discovery.importing import run_import
from nerava.discovery.linking import Linker
from nerava.discovery.model import ChargingSite
from nerava.discovery.records import Access, Plug, PlugKind, SiteRecord, SiteStatus
from nerava.integrations.osm.car_parks import car_parks_of
from nerava.integrations.osm.feed import coverage_of
from nerava.kernel.geography import Point
from nerava.replay.settling import Ground

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nerava.installation import Installation
    from nerava.kernel.geography import Box

SOURCE: Final = "demo"
TERMS: Final = Attribution(
    "Invented chargers in real car parks; positions © OpenStreetMap contributors",
    "https://www.openstreetmap.org/copyright",
    "Open Database License (ODbL) 1.0",
)
STATION: Final = Point(60.1717926, 24.9391593)
"""The mapped charger beside Helsinki's main station."""

_POWER_W: Final = 22_000


@dataclass(frozen=True, slots=True)
class _Invented:
    """Chargers in the car parks of an extract that has hardly any."""

    sites: tuple[SiteRecord, ...]
    coverage: Box
    fingerprint: str
    source: str = SOURCE
    attribution: Attribution = TERMS
    absences_max: int = 1

    @property
    def total(self) -> int | None:
        return len(self.sites)

    def batches(self, resume_at: str | None) -> Iterator[Batch]:
        if resume_at is None:
            yield Batch(self.sites, "all")


def furnished(installation: Installation, file: Path) -> list[Ground]:
    """Put chargers into the car parks of an extract that was brought in; return all there are in its area.

    Repeats safely.

    Raises:
        NeravaError: As `run_import`.
    """
    database, coverage = installation.database, coverage_of(file)
    mapped = database.read(lambda session: list(session.execute(_shown("osm"))))
    parks = car_parks_of(file, [Point(row.latitude, row.longitude) for row in mapped])
    sites = tuple(
        SiteRecord(
            reference=park.reference,
            name=f"{park.name} (invented charger)",
            position=park.position,
            timezone="Europe/Helsinki",
            access=Access.PUBLIC,
            status=SiteStatus.OPEN,
            plugs=(Plug(kind=PlugKind.IEC_62196_T2, count=4, power_w_max=_POWER_W),),
        )
        for park in parks
    )
    mark = hashlib.sha256(repr(sites).encode()).hexdigest()[:32]
    run_import(database, _Invented(sites, coverage, mark), now=installation.clock.now)
    Linker(database).run()
    rows = database.read(lambda session: list(session.execute(_shown("osm", SOURCE))))
    return [Ground(f"{row.source}:{row.reference}", row.location_id, row.timezone) for row in rows]


def _shown(*sources: str) -> Any:  # noqa: ANN401 - a query of many columns
    columns = (
        ChargingSite.source,
        ChargingSite.reference,
        ChargingSite.location_id,
        ChargingSite.latitude,
        ChargingSite.longitude,
        ChargingLocation.timezone,
    )
    return (
        select(*columns)
        .join(ChargingLocation, ChargingLocation.id == ChargingSite.location_id)
        .where(ChargingSite.source.in_(sources), ChargingSite.is_shown)
        .order_by(ChargingSite.source, ChargingSite.reference)
    )
