"""Finding a charger, and what to do while it charges."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import BackgroundTasks, Query
from pydantic import AfterValidator, AwareDatetime
from sqlalchemy.exc import SQLAlchemyError

from nerava.discovery import queries
from nerava.discovery.errors import UnknownLocation
from nerava.discovery.opening import OpenState
from nerava.discovery.queries import (
    ANY_CHARGER,
    ChargerFilter,
    ChargerView,
    Nearness,
    PlaceFilter,
    Walk,
)
from nerava.discovery.records import Access, Category, PlugKind
from nerava.kernel.errors import NeravaError
from nerava.kernel.geography import Box, Point, box_around
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, decode_cursor, encode_cursor
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import InputError, InvalidInput, problems
from nerava.web.api.discovery_models import (
    AttributionOut,
    ChargerOut,
    ChargerPageOut,
    ChargersOut,
    PlaceOut,
    PlacesOut,
)
from nerava.web.api.fields import Name, possible
from nerava.web.api.places import after_id, id_cursor
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from nerava.discovery.refreshing import ThinAreas

log = logging.getLogger(__name__)

routes: Final = router("discovery")

RADIUS_M_DEFAULT: Final = 5_000
BOX_DEGREES_MAX: Final = 5

OPEN: Final = Policy(public="where one can charge and what is around it is told to everybody")

Latitude = Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)]
GivenLatitude = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)]
GivenLongitude = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)]
Radius = Annotated[int, Query(ge=1, le=50_000, description="Metres, as the crow flies")]
BoxText = Annotated[
    str | None,
    Query(
        max_length=100,
        pattern=r"^[-+0-9.eE, ]*$",
        description="west,south,east,north in degrees, at most 5 on a side; west may lie above east "
        "where the box crosses the 180th meridian",
    ),
]
PowerMin = Annotated[int | None, Query(ge=1, le=10_000_000, description="Watts, of a plug of the asked kind")]
Network = Annotated[Name | None, Query(description="The name of the operator, as chargers show it")]
Instant = Annotated[AwareDatetime, AfterValidator(possible)]
At = Annotated[Instant | None, Query(description="The instant of which `opening` speaks; now, if absent")]
MinutesMax = Annotated[int | None, Query(ge=1, le=10, description="On foot")]


@routes.get("/chargers", summary="Chargers around a point or in a box")
@guarded(OPEN)
def chargers(
    wired: Wired,
    now: Now,
    later: BackgroundTasks,
    *,
    lat: Latitude = None,
    lng: Longitude = None,
    radius_m: Radius = RADIUS_M_DEFAULT,
    bbox: BoxText = None,
    plug: PlugKind | None = None,
    power_w_min: PowerMin = None,
    access: Access | None = None,
    network: Network = None,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> ChargersOut:
    """Return chargers: around a point the nearest first, in a box by id. Nobody else is asked meanwhile."""
    wanted = ChargerFilter(plug=plug, power_w_min=power_w_min, access=access, network=network)
    if bbox is not None and lat is None and lng is None:
        box, after = _box(bbox), after_id(cursor)
        shown = wired.database.read(
            lambda session: _listed(
                session, queries.chargers_in(session, box, wanted=wanted, after=after, limit=limit), limit
            )
        )
    elif lat is None or lng is None or bbox is not None:
        raise _wrong("query/lat", "send either lat and lng, or bbox", "missing")
    else:
        point, near = Point(lat, lng), _nearness(cursor)
        box = box_around(point, radius_m)
        shown = wired.database.read(
            lambda session: _listed(
                session,
                queries.chargers_around(
                    session, point, radius_m=radius_m, wanted=wanted, after=near, limit=limit
                ),
                limit,
            )
        )
    if cursor is None and wanted == ANY_CHARGER and len(shown.items) < limit:
        # All that is known there was shown: if that is little, somebody may know more.
        later.add_task(have_read, wired.thin_areas, box, len(shown.items), now)
    return shown


@routes.get("/chargers/{location_id}", summary="One charger", responses=problems(UnknownLocation))
@guarded(OPEN)
def one_charger(location_id: UUID, wired: Wired) -> ChargerPageOut:
    """Return a charger with the references of every source that knows it."""

    def work(session: Session) -> ChargerPageOut:
        found = queries.charger(session, location_id)
        named = attributions_of(session, (one.source for one in found.references))
        return ChargerPageOut(charger=ChargerOut.of(found), attributions=named)

    return wired.database.read(work)


@routes.get(
    "/chargers/{location_id}/places",
    summary="What one can walk to from a charger",
    responses=problems(UnknownLocation),
)
@guarded(OPEN)
def places_of_charger(
    location_id: UUID,
    wired: Wired,
    now: Now,
    *,
    category: Category | None = None,
    minutes_max: MinutesMax = None,
    state: OpenState | None = None,
    at: At = None,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> PlacesOut:
    """Return places within ten minutes on foot, the shortest way first. Unknown hours stay unknown."""
    wanted = PlaceFilter(category=category, minutes_max=minutes_max, state=state)
    after, instant = _walk(cursor), at or now

    def work(session: Session) -> PlacesOut:
        location = queries.charger(session, location_id)
        found = queries.places_from(session, location, instant, wanted=wanted, after=after, limit=limit)
        last = found[-1] if len(found) == limit else None
        return PlacesOut(
            items=[PlaceOut.of(one) for one in found],
            next_cursor=None if last is None else encode_cursor(last.metres, str(last.place["id"])),
            attributions=attributions_of(session, (one.place["source"] for one in found)),
        )

    return wired.database.read(work)


@routes.get("/attributions", summary="Whom to name beside maps and lists")
@guarded(OPEN)
def attributions(wired: Wired) -> list[AttributionOut]:
    """Return what has to be shown for every source of places and chargers."""
    return wired.database.read(lambda session: attributions_of(session, None))


def have_read(areas: ThinAreas, box: Box, sites: int, now: datetime) -> None:
    """Have a thin area read some time later; the answer is on its way already, whatever becomes of this."""
    try:
        areas.notice(box, sites, now)
    except (NeravaError, SQLAlchemyError) as error:
        log.info("an area with few chargers was not noticed: %s", error)


def _listed(session: Session, found: list[ChargerView], limit: int) -> ChargersOut:
    last = found[-1] if len(found) == limit else None
    return ChargersOut(
        items=[ChargerOut.of(one) for one in found],
        next_cursor=None if last is None else _cursor(last),
        attributions=attributions_of(session, (name for one in found for name in sources_of(one))),
    )


def _cursor(last: ChargerView) -> str:
    if last.distance_m is None:
        return id_cursor(last.location_id)
    return encode_cursor(last.distance_m, str(last.location_id))


def sources_of(found: ChargerView) -> Iterable[str]:
    """Return the names of all sources that know a location."""
    return (one.source for one in found.references)


def attributions_of(session: Session, names: Iterable[str] | None) -> list[AttributionOut]:
    """Return what has to be shown for sources of these names, or for all."""
    return [AttributionOut.of(one) for one in queries.sources(session, names)]


def _nearness(cursor: str | None) -> Nearness | None:
    place = decode_cursor(cursor, int, str)
    return None if place is None else Nearness(int(place[0]), _uuid(place[1]))


def _walk(cursor: str | None) -> Walk | None:
    place = decode_cursor(cursor, int, str)
    return None if place is None else Walk(int(place[0]), _uuid(place[1]))


def _uuid(text: object) -> UUID:
    try:
        return UUID(str(text))
    except ValueError:
        raise _wrong("query/cursor", "the cursor does not come from this list", "cursor") from None


def _box(text: str) -> Box:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise _wrong("query/bbox", "a box is west,south,east,north", "box") from None
    inside = -90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180  # noqa: PLR2004 - degrees
    if not inside or north - south > BOX_DEGREES_MAX or (east - west) % 360 > BOX_DEGREES_MAX:
        message = f"a box lies on the globe and has at most {BOX_DEGREES_MAX} degrees on a side"
        raise _wrong("query/bbox", message, "box")
    return Box(south, north, west, east)


def _wrong(pointer: str, message: str, kind: str) -> InvalidInput:
    return InvalidInput(message, errors=[InputError(pointer=pointer, message=message, kind=kind)])
