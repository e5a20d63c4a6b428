"""Makes charging sites of an extract: mapped stations, and car parks whose note speaks of charging."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from nerava.discovery.records import Access, SiteRecord, SiteStatus
from nerava.discovery.site_values import evse_alias
from nerava.integrations.osm.tags import (
    access_of,
    address_of,
    is_below_ground,
    plugs_of,
    website_of,
)
from nerava.kernel.geography import metres_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nerava.integrations.osm.extract import Extract, Spot
    from nerava.kernel.geography import Point

NAMING_CAR_PARK_M: Final = 25
NAMING_ADDRESS_M: Final = 150
OWN_SITE_M: Final = 150
"""A car park closer than this to a mapped station is where that station is."""

_SPEAKS_OF_CHARGING: Final = re.compile(
    r"(?:electric vehicle|ev|e-car)\W+charging|latauspiste|sähköauto", re.IGNORECASE
)
_GRID: Final = 0.005


class _Near:
    """Finds the spot nearest to a point."""

    def __init__(self, spots: Iterable[Spot]) -> None:
        self._grid: defaultdict[tuple[int, int], list[Spot]] = defaultdict(list)
        for spot in spots:
            self._grid[_square(spot.position)].append(spot)

    def nearest(self, point: Point, within_m: int) -> Spot | None:
        row, column = _square(point)
        around = [
            spot
            for near_row in (row - 1, row, row + 1)
            for near_column in range(column - 3, column + 4)
            for spot in self._grid.get((near_row, near_column), ())
        ]

        def order(spot: Spot) -> tuple[int, str]:
            return metres_between(point, spot.position), spot.reference

        best = min(around, key=order, default=None)
        return best if best is not None and metres_between(point, best.position) <= within_m else None


def sites_of(extract: Extract) -> list[SiteRecord]:
    """Return the charging sites of an extract, by reference."""
    stations = [extract.stations[name] for name in sorted(extract.stations)]
    named_parks = _Near(spot for spot in extract.car_parks.values() if "name" in spot.tags)
    addresses = _Near(extract.addresses)
    sites = [_station(spot, named_parks, addresses) for spot in stations]
    return sites + _car_parks(extract, stations, addresses)


def _car_parks(extract: Extract, stations: Sequence[Spot], addresses: _Near) -> list[SiteRecord]:
    taken = list(stations)
    sites: list[SiteRecord] = []
    for name in sorted(extract.car_parks):
        spot = extract.car_parks[name]
        if not _SPEAKS_OF_CHARGING.search(f"{spot.tags.get('note', '')} {spot.tags.get('description', '')}"):
            continue
        if _Near(taken).nearest(spot.position, OWN_SITE_M):
            continue
        taken.append(spot)
        title = spot.tags.get("name") or spot.tags.get("operator")
        sites.append(_site(spot, title or _at(spot, addresses), is_named=title is not None, is_exact=False))
    return sites


def _station(spot: Spot, named_parks: _Near, addresses: _Near) -> SiteRecord:
    tags = spot.tags
    own = tags.get("name")
    park = named_parks.nearest(spot.position, NAMING_CAR_PARK_M)
    title = own or (park.tags["name"] if park else None) or tags.get("operator") or _at(spot, addresses)
    is_exact = tags.get("accuracy") != "approximate" and "fixme" not in tags
    return _site(spot, title, is_named=own is not None or park is not None, is_exact=is_exact)


def _site(spot: Spot, name: str, *, is_named: bool, is_exact: bool) -> SiteRecord:
    tags = spot.tags
    fee = tags.get("fee") if tags.get("amenity") == "charging_station" else None
    return SiteRecord(
        reference=spot.reference,
        name=name,
        is_named=is_named,
        is_exact=is_exact,
        position=spot.position,
        operator=tags.get("operator"),
        network=tags.get("network") or tags.get("brand"),
        access=access_of(tags) if tags.get("amenity") == "charging_station" else Access.UNKNOWN,
        access_text=tags.get("note"),
        status=SiteStatus.UNAVAILABLE if tags.get("operational_status") == "closed" else SiteStatus.UNKNOWN,
        address=address_of(tags),
        opening_hours=tags.get("opening_hours"),
        phone=tags.get("phone") or tags.get("contact:phone"),
        website=website_of(tags),
        is_free={"no": True, "yes": False}.get(fee or ""),
        price_text=tags.get("charge"),
        is_below_ground=is_below_ground(tags),
        plugs=plugs_of(tags) if tags.get("amenity") == "charging_station" else (),
        aliases=tuple(map(evse_alias, filter(None, tags.get("ref:EU:EVSE", "").split(";")))),
    )


def _at(spot: Spot, addresses: _Near) -> str:
    """Return the name of a site that has none: its address, or that of its neighbours."""
    tags = spot.tags
    if "addr:street" not in tags:
        neighbour = addresses.nearest(spot.position, NAMING_ADDRESS_M)
        tags = tags if neighbour is None else neighbour.tags
    street = " ".join(filter(None, (tags.get("addr:street"), tags.get("addr:housenumber"))))
    return street or f"Charging {spot.reference}"


def _square(point: Point) -> tuple[int, int]:
    return int(point.latitude // _GRID), int(point.longitude // _GRID)
