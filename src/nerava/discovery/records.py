"""What every source of places and charging sites is turned into, whatever its own format is.

An adapter under `integrations/` reads its provider's format and yields these records in batches, as a
`feeds.Feed`; `importing.run_import` does all the rest: staging, going on after a kill, comparing with
what is known, matching the same site of two sources, swapping area by area, marking what vanished.
`SiteRecord` is a charging site (NLR station, Open Charge Map POI, OCPI location, OSM charging station),
`PlaceRecord` something worth walking to, `WalkCellRecord` a piece of the pedestrian network.

How to write an adapter in four steps:

1. A frozen class with the attributes of `Feed` and `batches(resume_at)`; each `Batch` holds at most 2,000
   records, and `position`, a text of your own from which `batches` can go on after it.
2. A row that cannot be a record becomes a `Reject` of the batch, with its number and a reason; it is
   never an exception. Values are checked once more by `checking`: what is outside the globe, has no name
   or is too long is rejected there, so an adapter need not look at lengths.
3. Unknown is None (or `UNKNOWN`), never 0, "" or a guess.
4. A command beside `commands/imports.py` that calls `import_into(out, installation, feed)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nerava.kernel.geography import Point


class Category(StrEnum):
    """What a place is, in one word that drivers can filter by."""

    BAR = "bar"
    CAFE = "cafe"
    CINEMA = "cinema"
    FAST_FOOD = "fast_food"
    FITNESS = "fitness"
    ICE_CREAM = "ice_cream"
    PHARMACY = "pharmacy"
    PUB = "pub"
    RESTAURANT = "restaurant"
    SHOP = "shop"
    TOILETS = "toilets"


class Wheelchair(StrEnum):
    """Whether a wheelchair gets in."""

    YES = "yes"
    LIMITED = "limited"
    NO = "no"


class Access(StrEnum):
    """Who may charge at a site."""

    PUBLIC = "public"
    RESTRICTED = "restricted"
    """Customers, members, guests: somebody who is somebody's."""
    PRIVATE = "private"
    UNKNOWN = "unknown"


class SiteStatus(StrEnum):
    """Whether a site can be used, as its source says; nothing about who charges there this minute."""

    OPEN = "open"
    PLANNED = "planned"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


class PlugKind(StrEnum):
    """A socket or cable, in the words of OCPI. Where a source is vaguer than they are: UNKNOWN."""

    CHADEMO = "CHADEMO"
    DOMESTIC = "DOMESTIC"
    """Any household socket, NEMA 5-15 and 14-50 as well as Schuko."""
    GBT_AC = "GBT_AC"
    GBT_DC = "GBT_DC"
    IEC_60309 = "IEC_60309"
    """Industrial, red or blue."""
    IEC_62196_T1 = "IEC_62196_T1"
    """J1772."""
    IEC_62196_T1_COMBO = "IEC_62196_T1_COMBO"
    """CCS1."""
    IEC_62196_T2 = "IEC_62196_T2"
    """Mennekes, socket or cable."""
    IEC_62196_T2_COMBO = "IEC_62196_T2_COMBO"
    """CCS2."""
    IEC_62196_T3 = "IEC_62196_T3"
    SAE_J3400 = "SAE_J3400"
    """NACS, Tesla's in North America."""
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a place is, in words; each None where the source does not say. `country` is ISO 3166 alpha-2."""

    street: str | None = None
    house: str | None = None
    city: str | None = None
    postcode: str | None = None
    state: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """Plugs of one kind and rating at a site.

    Attributes:
        count: How many cars could use one at once; 1 where the source says only that there are some.
        power_w_max: The rating of each in watts, None where nobody knows; never 0.
    """

    kind: PlugKind = PlugKind.UNKNOWN
    count: int = 1
    power_w_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvseRecord:
    """One unit that charges one car at a time, where the source names its units.

    `reference` is the source's own name (OCPI `uid`), `evse_id` the one of the world (`DE*ABC*E1`),
    if it has one. `connectors` maps the source's name of a connector to it; their `count` is 1.
    """

    reference: str
    evse_id: str | None = None
    connectors: Mapping[str, Plug] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRecord:
    """A place with chargers as one source describes it; `reference` names it there for ever.

    Attributes:
        name: What people read; an adapter makes one ("Charging at Mannerheimintie 1") where there is none.
        is_named: False where the adapter made the name; such a name says nothing about being the same.
        position: WGS 84.
        is_exact: False where the source says that the position is approximate.
        timezone: IANA name; None lets the position decide.
        operator: Who runs it. `network`: under whose brand or app. Either helps to match sources.
        plugs: What there is. Leave it empty where `evses` say it: it is counted from them.
        evses: Units with names of their own; sessions refer to these.
        aliases: Names of the *same site* elsewhere, such as `ocpi:US*CPI/1234` or
            `network:chargepoint:1:99`, exactly as the other source would write its own
            `{source}:{reference}` or alias. Two sites that share one are the same.
        price_text: Shown as it is, never computed with. `is_free` only where the source says so.
        fetched_at: When the source last looked at it, not when we did.
    """

    reference: str
    name: str
    position: Point
    is_named: bool = True
    is_exact: bool = True
    timezone: str | None = None
    operator: str | None = None
    network: str | None = None
    access: Access = Access.UNKNOWN
    access_text: str | None = None
    status: SiteStatus = SiteStatus.UNKNOWN
    address: Address = field(default_factory=Address)
    opening_hours: str | None = None
    phone: str | None = None
    website: str | None = None
    is_free: bool | None = None
    price_text: str | None = None
    is_below_ground: bool = False
    plugs: tuple[Plug, ...] = ()
    evses: tuple[EvseRecord, ...] = ()
    aliases: tuple[str, ...] = ()
    fetched_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRecord:
    """Something worth walking to as one source describes it; `reference` names it there for ever.

    Attributes:
        names: The name by language (`fi`, `sv`), where the source has more than one.
        kind: The source's finer word: the kind of shop, the cuisine.
        opening_hours: In the grammar of OpenStreetMap; whatever else stands there reads as unknown.
        doors: Where one can walk in, in WGS 84, if known; the way ends at the nearest. Else at `position`.
        also: References of rows that turned out to be this very place.
    """

    reference: str
    name: str
    category: Category
    position: Point
    names: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    opening_hours: str | None = None
    wheelchair: Wheelchair | None = None
    website: str | None = None
    phone: str | None = None
    address: Address = field(default_factory=Address)
    brand: str | None = None
    brand_wikidata: str | None = None
    doors: tuple[Point, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkCellRecord:
    """The pedestrian network of one cell of the globe, packed by `walking.pack`."""

    cell: int
    body: bytes


Record = SiteRecord | PlaceRecord | WalkCellRecord
