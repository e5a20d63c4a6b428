"""Where to charge around here, and what to do meanwhile: places with an offer first, then the nearest."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import BackgroundTasks, Query

from nerava.discovery import queries
from nerava.discovery.queries import ANY_CHARGER, ChargerFilter, PlaceFilter
from nerava.discovery.records import Category, PlugKind
from nerava.discovery.walking import DETOUR_PERCENT, METRES_PER_MINUTE, MINUTES_MAX, minutes_of
from nerava.kernel.geography import Point, box_around
from nerava.merchants.nearby import ShownOffer, offers_near
from nerava.platform.policy import guarded
from nerava.web.api.chargers import (
    OPEN,
    RADIUS_M_DEFAULT,
    At,
    GivenLatitude,
    GivenLongitude,
    Network,
    PowerMin,
    Radius,
    attributions_of,
    have_read,
    sources_of,
)
from nerava.web.api.discovery_models import (
    ChargerOut,
    ChargingStopOut,
    PlaceOut,
    PositionOut,
    StopOfferOut,
    StopPlaceOut,
    WalkOut,
    WhileYouChargeOut,
)
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.discovery.queries import ChargerView

routes: Final = router("discovery")

STOPS_MAX: Final = 10
STOP_PLACES_MAX: Final = 20
STOP_OFFERS_MAX: Final = 10
OFFER_COUNTS: Final = MINUTES_MAX
"""Minutes that an offer is worth: as many as a place can be away, so it comes before any without one."""


@routes.get("/while-you-charge", summary="Chargers near me, and what to do meanwhile")
@guarded(OPEN)
def while_you_charge(
    wired: Wired,
    now: Now,
    later: BackgroundTasks,
    lat: GivenLatitude,
    lng: GivenLongitude,
    *,
    radius_m: Radius = RADIUS_M_DEFAULT,
    plug: PlugKind | None = None,
    power_w_min: PowerMin = None,
    network: Network = None,
    category: Category | None = None,
    at: At = None,
    limit: Annotated[int, Query(ge=1, le=STOPS_MAX, description="How many chargers at most")] = 5,
    places: Annotated[int, Query(ge=1, le=STOP_PLACES_MAX, description="How many places at most each")] = 5,
) -> WhileYouChargeOut:
    """Return the nearest chargers, each with places: those with an offer first, then the nearest."""
    wanted = ChargerFilter(plug=plug, power_w_min=power_w_min, network=network)
    around, instant, here = PlaceFilter(category=category), at or now, Point(lat, lng)

    def work(session: Session) -> WhileYouChargeOut:
        near = queries.chargers_around(session, here, radius_m=radius_m, wanted=wanted, limit=limit)
        items = [_stop(session, one, around, instant, places) for one in near]
        named = {name for one in near for name in sources_of(one)}
        named |= {place.source for one in items for place in one.places}
        return WhileYouChargeOut(items=items, attributions=attributions_of(session, named))

    shown = wired.database.read(work)
    if wanted == ANY_CHARGER and len(shown.items) < limit:
        later.add_task(have_read, wired.thin_areas, box_around(here, radius_m), len(shown.items), now)
    return shown


def _stop(
    session: Session, charger: ChargerView, wanted: PlaceFilter, at: datetime, limit: int
) -> ChargingStopOut:
    position = Point(charger.site["latitude"], charger.site["longitude"])
    offers = offers_near(session, position, radius_m=MINUTES_MAX * METRES_PER_MINUTE, now=at)
    asked = [
        ((one.merchant_name, one.site_name or ""), one.position) for one in offers if one.position is not None
    ]
    places = queries.places_called(session, charger.location_id, asked)
    at_place: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for one, place_id in zip(offers, places, strict=True):
        if place_id is not None:
            at_place[place_id].append(one.offer.id)
    found = queries.places_from(session, charger, at, wanted=wanted, first=at_place.keys(), limit=limit)
    shown = [PlaceOut.of(one) for one in found]
    walks = {one.id: one.walk for one in shown}
    return ChargingStopOut(
        charger=ChargerOut.of(charger),
        places=[_placed(one, at_place.get(one.id, [])) for one in shown],
        offers=[_offered(one, place_id, walks) for one, place_id in zip(offers, places, strict=True)][
            :STOP_OFFERS_MAX
        ],
    )


def _placed(place: PlaceOut, offer_ids: list[UUID]) -> StopPlaceOut:
    score = place.walk.minutes - (OFFER_COUNTS if offer_ids else 0)
    return StopPlaceOut(**place.model_dump(), score=score, offer_ids=offer_ids)


def _offered(found: ShownOffer, place_id: UUID | None, walks: dict[UUID, WalkOut]) -> StopOfferOut:
    if found.position is None or found.distance_m is None:
        message = "an offer near a point has a place"
        raise AssertionError(message)
    walk = None if place_id is None else walks.get(place_id)
    return StopOfferOut(
        id=found.offer.id,
        title=found.offer.terms.title,
        price_nova=found.offer.terms.price_nova,
        merchant_name=found.merchant_name,
        site_name=found.site_name or "",
        address=found.address or "",
        position=PositionOut(lat=found.position.latitude, lng=found.position.longitude),
        walk=walk or _estimated(found.distance_m),
        place_id=place_id,
    )


def _estimated(distance_m: int) -> WalkOut:
    metres = distance_m * DETOUR_PERCENT // 100
    return WalkOut(metres=metres, minutes=minutes_of(metres * 10), is_estimate=True)
