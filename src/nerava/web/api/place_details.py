"""What a directory says about a place of ours right now, beside our own row and under its own terms."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from nerava.discovery.enriching import BusinessStatus
from nerava.discovery.errors import UnknownPlace
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import problems
from nerava.web.api.discovery_models import PositionOut
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from nerava.discovery.enriching import PlaceContent

routes: Final = router("discovery")

Language = Annotated[
    str, Query(pattern="^[a-z]{2}(-[A-Z]{2})?$", description="Of its words, such as fi or pt-BR")
]


class ContentOut(BaseModel):
    """What a directory says. What is null is not known; no hours are no closed door.

    It may be shown on a map of the directory's own and beside its name alone, never on ours.
    """

    name: str | None
    language: str | None
    address: str | None
    position: PositionOut | None
    status: BusinessStatus
    may_be_recommended: bool = Field(description="Nothing says that it is closed for longer than a night")
    is_open_now: bool | None
    hours: list[str] | None = Field(description="In words, a line a day")
    rating_tenths: int | None = Field(description="Of five stars, in tenths")
    ratings: int | None
    price_level: str | None
    website: str | None
    phone: str | None
    link: str | None = Field(description="The directory's own page of it")
    attribution: str = Field(description="Has to be shown wherever any of this is")

    @classmethod
    def of(cls, said: PlaceContent) -> Self:
        """Return what may be shown; photos have names that must not be kept, so they stay away."""
        there = said.position
        return cls(
            name=said.name,
            language=said.language,
            address=said.address,
            position=None if there is None else PositionOut(lat=there.latitude, lng=there.longitude),
            status=said.status,
            may_be_recommended=said.may_be_recommended,
            is_open_now=said.is_open_now,
            hours=None if said.hours is None else list(said.hours),
            rating_tenths=said.rating_tenths,
            ratings=said.ratings,
            price_level=said.price_level,
            website=said.website,
            phone=said.phone,
            link=said.link,
            attribution=said.attribution,
        )


class PlaceDetailsOut(BaseModel):
    """What a directory says about a place, or why it says nothing."""

    place_id: UUID
    content: ContentOut | None
    as_of: datetime | None = Field(description="When it was said")
    missing: str | None = Field(
        description="Why there is no content: off, not-known, busy, or why nobody could be asked"
    )


@routes.get(
    "/places/{place_id}/details", summary="What else is known about a place", responses=problems(UnknownPlace)
)
@guarded(Policy(roles=("driver",), scope="offers:read"))
def place_details(place_id: UUID, wired: Wired, now: Now, *, language: Language = "en") -> PlaceDetailsOut:
    """Return what Google says about a place; within 3 s, and without content where it cannot be asked."""
    found = wired.enrichment.look(place_id, language, now)
    return PlaceDetailsOut(
        place_id=place_id,
        content=None if found.content is None else ContentOut.of(found.content),
        as_of=found.as_of,
        missing=found.missing,
    )
