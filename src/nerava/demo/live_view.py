"""The page of a demo: the map, each charge record as it comes in, what it earned and why, and the reserve."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel
from sqlalchemy import func, select
from starlette.responses import Response

from nerava.charging.model import ChargingLocation, ChargingSession
from nerava.charging.queries import session_view
from nerava.ledger.gauges import backing, breaks
from nerava.merchants.nearby import offers_near
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import NotFound
from nerava.rewards.errors import UnknownDecision
from nerava.rewards.queries import explain
from nerava.web.api.sessions import DecisionOut, SessionOut
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from fastapi import APIRouter
    from sqlalchemy.orm import Session

    from nerava.demo.arrivals import Arrivals
    from nerava.kernel.geography import Point
    from nerava.replay.settling import Ground

EARLIER: Final = 12
"""How many sessions of the replay stand in the list already when somebody opens the page."""

_WALK_M: Final = 1_000
_TYPES: Final = {
    "live.css": "text/css",
    "live.js": "text/javascript",
}
_SHOWN: Final = Policy(public="people, sponsors and merchants of a demo are invented; it serves this machine")
_LOCATION: Final[Any] = ChargingLocation.__table__.c
_SESSION: Final[Any] = ChargingSession.__table__.c


class PinOut(BaseModel):
    """Something on the map: a charger, or a merchant with what it offers for how many Nova."""

    id: UUID
    name: str
    latitude: float
    longitude: float
    title: str = ""
    points: int = 0


class BooksOut(BaseModel):
    """What points stand on: minor units in the reserve, Nova that drivers have, and alarms that ring."""

    currency: str
    reserve_minor: int
    circulation: int
    issued: int
    burnt: int
    alarms: int
    sessions: int


class ArrivedOut(BaseModel):
    """A session as it came in, by its number, and why it earned what it earned."""

    number: int
    session: SessionOut
    decision: DecisionOut


class FeedOut(BaseModel):
    """What came in after a number; `left` records are still to come."""

    number: int
    left: int
    books: BooksOut
    arrived: list[ArrivedOut]


class ScenePlanOut(BaseModel):
    """What stays as it is; `is_recorded` says whether the sessions are real ones."""

    is_recorded: bool
    chargers: list[PinOut]
    offers: list[PinOut]


def latest(session: Session) -> list[UUID]:
    """Return the latest sessions that are there, the earliest of them first."""
    query = select(_SESSION.id).where(_SESSION.evaluations > 0)
    newest = query.order_by(_SESSION.started_at.desc(), _SESSION.id.desc()).limit(EARLIER)
    return list(session.scalars(newest))[::-1]


def live_view(
    arrivals: Arrivals, grounds: Sequence[Ground], station: Point, *, is_recorded: bool
) -> APIRouter:
    """Return the routes of the page, for the application of a demo and no other."""
    routes = router("demo", prefix="")

    @routes.get("/demo", include_in_schema=False)
    @guarded(_SHOWN)
    async def page() -> Response:
        return Response(_file("live.html"), media_type="text/html")

    @routes.get("/demo/files/{name}", include_in_schema=False)
    @guarded(_SHOWN)
    async def page_file(name: Annotated[str, Path(pattern=r"^[a-z_]{1,40}\.(css|js)$")]) -> Response:
        if name not in _TYPES:
            raise NotFound
        return Response(_file(name), media_type=_TYPES[name])

    @routes.get("/demo/scene", include_in_schema=False)
    @guarded(_SHOWN)
    def scene(wired: Wired, now: Now) -> ScenePlanOut:
        chargers, offers = wired.database.read(lambda session: _pins(session, grounds, station, now))
        return ScenePlanOut(is_recorded=is_recorded, chargers=chargers, offers=offers)

    @routes.get("/demo/feed", include_in_schema=False)
    @guarded(_SHOWN)
    def feed(wired: Wired, after: Annotated[int, Query(ge=0, le=2**53)] = 0) -> FeedOut:
        number, left, came = arrivals.after(after)

        def look(session: Session) -> FeedOut:
            arrived = list(_arrived(session, came))
            return FeedOut(number=number, left=left, books=_books(session, wired.currency), arrived=arrived)

        return wired.database.read(look)

    return routes


def _arrived(session: Session, came: Sequence[tuple[int, UUID]]) -> Iterator[ArrivedOut]:
    for number, session_id in came:
        try:
            decision = DecisionOut.model_validate(explain(session, session_id, for_driver=True))
        except UnknownDecision:
            continue
        shown = SessionOut.model_validate(session_view(session, session_id))
        yield ArrivedOut(number=number, session=shown, decision=decision)


def _books(session: Session, currency: str) -> BooksOut:
    points = backing(session)
    return BooksOut(
        currency=currency,
        reserve_minor=points.reserve_minor,
        circulation=points.circulation,
        issued=points.issued,
        burnt=points.burnt,
        alarms=sum(breaks(session).values()),
        sessions=session.scalar(select(func.count()).select_from(ChargingSession)) or 0,
    )


def _pins(
    session: Session, grounds: Sequence[Ground], station: Point, now: datetime
) -> tuple[list[PinOut], list[PinOut]]:
    """Return the chargers, and what Nova buys around the station."""
    wanted = [ground.location_id for ground in grounds]
    chargers = select(_LOCATION.id, _LOCATION.name, _LOCATION.latitude, _LOCATION.longitude).where(
        _LOCATION.id.in_(wanted), _LOCATION.latitude.is_not(None)
    )
    near = offers_near(session, station, radius_m=_WALK_M, now=now) if grounds else []
    offers = [
        PinOut(
            id=one.offer.id,
            name=one.merchant_name,
            latitude=one.position.latitude,
            longitude=one.position.longitude,
            title=one.offer.terms.title,
            points=one.offer.terms.price_nova or 0,
        )
        for one in near
        if one.position is not None
    ]
    return [PinOut.model_validate(dict(row)) for row in session.execute(chargers).mappings()], offers


@cache
def _file(name: str) -> bytes:
    return files("nerava.demo").joinpath("files", name).read_bytes()
