"""What drivers can earn now: the campaigns that run and can pay, near a place if one is named."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.guard import TenantId
from nerava.kernel.geography import Point, metres_between
from nerava.platform.pagination import PAGE_DEFAULT, Limit, Page
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import InputError, InvalidInput
from nerava.rewards.running_offers import AskedPlace, running_offers
from nerava.web.api.offers import RADIUS_M_DEFAULT, Latitude, Longitude, Radius
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

routes: Final = router("offers")


class CampaignOfferOut(BaseModel):
    """Nova that are to be earned by charging."""

    model_config = ConfigDict(from_attributes=True)

    campaign_id: UUID
    name: str
    ends_at: datetime
    promises: list[str] = Field(description="What is given and on which conditions, one sentence each")
    session_points_max: int | None
    driver_day_points_max: int | None


@routes.get("/campaign-offers", summary="What I can earn")
@guarded(Policy(roles=("driver",), scope="offers:read"))
def campaign_offers(
    driver_id: TenantId,
    wired: Wired,
    now: Now,
    *,
    lat: Latitude = None,
    lng: Longitude = None,
    radius_m: Radius = RADIUS_M_DEFAULT,
    limit: Limit = PAGE_DEFAULT,
) -> Page[CampaignOfferOut]:
    """Return campaigns that run and have enough left to pay a session, on one page."""
    if (lat is None) != (lng is None):
        message = "send both coordinates or none"
        raise InvalidInput(message, errors=[InputError(pointer="query/lat", message=message, kind="missing")])
    place: AskedPlace | None = None
    if lat is not None and lng is not None:
        here = Point(lat, lng)
        place = AskedPlace(lat, lng, lambda at, on: metres_between(here, Point(at, on)) <= radius_m)

    def look(session: Session) -> list[CampaignOfferOut]:
        found = running_offers(session, driver_id, now, place=place, limit=limit)
        return [CampaignOfferOut.model_validate(one) for one in found]

    return Page(items=wired.database.read(look))
