"""What discovery looks like on the wire: chargers, places, ways, and who has to be named."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.discovery.opening import OpenState
from nerava.discovery.queries import ChargerView, PlaceView, SourceView
from nerava.discovery.records import Access, Category, PlugKind, SiteStatus, Wheelchair


class AttributionOut(BaseModel):
    """What has to be shown, with its link, wherever rows of a source are shown."""

    source: str
    text: str
    url: str
    licence: str

    @classmethod
    def of(cls, found: SourceView) -> Self:
        """Return the attribution of a source."""
        return cls(source=found.source, text=found.attribution, url=found.url, licence=found.licence)


class PositionOut(BaseModel):
    """A place on the globe, WGS 84, degrees."""

    lat: float
    lng: float


class AddressOut(BaseModel):
    """Where something is, in words, as far as its source says."""

    street: str | None = None
    house: str | None = None
    city: str | None = None
    postcode: str | None = None
    state: str | None = None
    country: str | None = None


class PlugOut(BaseModel):
    """Plugs of one kind and rating."""

    kind: PlugKind
    count: int
    power_w_max: int | None = Field(description="Watts; null where nobody knows")


class ReferenceOut(BaseModel):
    """What a source calls this location."""

    source: str
    reference: str
    matched_by: str | None = Field(description="Why it is taken for the same as another source's, by rule")


class ChargerOut(BaseModel):
    """A place to charge at. Its words are those of its best source; `references` names them all."""

    id: UUID
    name: str
    position: PositionOut
    is_exact: bool = Field(description="False where the source calls its position approximate")
    is_below_ground: bool
    distance_m: int | None = Field(description="Metres as the crow flies, where a point was asked for")
    timezone: str
    operator: str | None
    network: str | None
    access: Access
    access_text: str | None
    status: SiteStatus
    address: AddressOut
    opening_hours: str | None
    phone: str | None
    website: str | None
    is_free: bool | None
    price_text: str | None
    plugs: list[PlugOut]
    ports: int
    power_w_max: int | None
    source: str
    references: list[ReferenceOut]

    @classmethod
    def of(cls, found: ChargerView) -> Self:
        """Return what drivers see of a location."""
        site = found.site
        return cls(
            id=found.location_id,
            name=site["name"],
            position=PositionOut(lat=site["latitude"], lng=site["longitude"]),
            is_exact=site["is_exact"],
            is_below_ground=site["is_below_ground"],
            distance_m=found.distance_m,
            timezone=found.timezone,
            operator=site["operator"],
            network=site["network"],
            access=site["access"],
            access_text=site["access_text"],
            status=site["status"],
            address=AddressOut(**site["address"]),
            opening_hours=site["opening_hours"],
            phone=site["phone"],
            website=site["website"],
            is_free=site["is_free"],
            price_text=site["price_text"],
            plugs=[PlugOut(**plug) for plug in site["plugs"]],
            ports=site["ports"],
            power_w_max=site["power_w_max"],
            source=site["source"],
            references=[ReferenceOut(**one._asdict()) for one in found.references],
        )


class WalkOut(BaseModel):
    """The way on foot: 80 m a minute, rounded up, steps counted slower."""

    metres: int
    minutes: int
    is_estimate: bool = Field(description="No way through the streets is known: say 'about'")


class OpeningOut(BaseModel):
    """Whether one may walk in at the instant that was asked about."""

    state: OpenState
    until: datetime | None = Field(description="When that changes; null where nobody knows, or never")
    condition: str | None = Field(description="Why it is unknown, in the place's own words")
    hours: str | None = Field(description="As its source writes them, in the grammar of OpenStreetMap")


class PlaceOut(BaseModel):
    """Something worth walking to while the car charges."""

    id: UUID
    name: str
    names: dict[str, str] = Field(description="By language, where there is more than one")
    category: Category
    kind: str | None
    position: PositionOut
    walk: WalkOut
    opening: OpeningOut
    wheelchair: Wheelchair | None
    website: str | None
    phone: str | None
    address: AddressOut
    brand: str | None
    source: str
    reference: str

    @classmethod
    def of(cls, found: PlaceView) -> Self:
        """Return what drivers see of a place."""
        place, opening = found.place, found.opening
        return cls(
            id=place["id"],
            name=place["name"],
            names=place["names"],
            category=place["category"],
            kind=place["kind"],
            position=PositionOut(lat=place["latitude"], lng=place["longitude"]),
            walk=WalkOut(metres=found.metres, minutes=found.minutes, is_estimate=found.is_estimate),
            opening=OpeningOut(
                state=opening.state,
                until=opening.until,
                condition=opening.condition,
                hours=place["opening_hours"],
            ),
            wheelchair=place["wheelchair"],
            website=place["website"],
            phone=place["phone"],
            address=AddressOut(**place["address"]),
            brand=place["brand"],
            source=place["source"],
            reference=place["reference"],
        )


class ChargersOut(BaseModel):
    """A part of a list of chargers, and what has to be shown beside it."""

    items: list[ChargerOut]
    next_cursor: str | None = Field(description="Give it back as `cursor` for the next page")
    attributions: list[AttributionOut]


class ChargerPageOut(BaseModel):
    """One charger, and what has to be shown beside it."""

    charger: ChargerOut
    attributions: list[AttributionOut]


class PlacesOut(BaseModel):
    """A part of what can be walked to from a charger, and what has to be shown beside it."""

    items: list[PlaceOut]
    next_cursor: str | None = Field(description="Give it back as `cursor` for the next page")
    attributions: list[AttributionOut]


class StopPlaceOut(PlaceOut):
    """A place at a stop, and what is to be had there."""

    score: int = Field(
        description="What the list is ordered by, lower first: minutes on foot, less 10 where an offer holds"
    )
    offer_ids: list[UUID]


class StopOfferOut(BaseModel):
    """Something to be had for Nova, or for nothing, within ten minutes of a stop."""

    id: UUID
    title: str
    price_nova: int | None = Field(description="Null for a perk: it costs the merchant")
    merchant_name: str
    site_name: str
    address: str
    position: PositionOut
    walk: WalkOut
    place_id: UUID | None = Field(description="The place of the map that it is at; null where none is mapped")


class ChargingStopOut(BaseModel):
    """A charger near you, the places to spend the time, and what is offered around."""

    charger: ChargerOut
    places: list[StopPlaceOut]
    offers: list[StopOfferOut] = Field(description="The nearest first")


class WhileYouChargeOut(BaseModel):
    """Where to charge around here, and what to do meanwhile."""

    items: list[ChargingStopOut]
    attributions: list[AttributionOut]
