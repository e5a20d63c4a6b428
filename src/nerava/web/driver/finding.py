"""Finding a charger on pages, and what to do while the car charges; nobody has to sign in for it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.discovery.records import Category
from nerava.identity.roles import Role
from nerava.platform.policy import guarded
from nerava.web.site.calling import Refused
from nerava.web.site.page import Shown, open_page, page_for, pages

if TYPE_CHECKING:
    from nerava.web.site.calling import Api

routes: Final = pages("driver")

_OPEN: Final = open_page("where one can charge and what is around it is told to everybody")

RADIUS_M: Final = 5_000
FAST_W: Final = 50_000
NEAR_MINUTES: Final = 5
STEPS: Final = (1, 3, 5, 10)
"""Minutes on foot by which a charger's surroundings are shown."""

CATEGORIES: Final = {
    Category.CAFE: "Coffee",
    Category.RESTAURANT: "Restaurant",
    Category.FAST_FOOD: "Fast food",
    Category.SHOP: "Shop",
    Category.ICE_CREAM: "Ice cream",
    Category.FITNESS: "Gym",
    Category.CINEMA: "Cinema",
    Category.BAR: "Bar",
    Category.PUB: "Pub",
    Category.PHARMACY: "Pharmacy",
    Category.TOILETS: "Toilets",
}
_CHIPS: Final = (Category.CAFE, Category.RESTAURANT, Category.SHOP)

PLUGS: Final = {
    "CHADEMO": "CHAdeMO",
    "DOMESTIC": "Household socket",
    "GBT_AC": "GB/T AC",
    "GBT_DC": "GB/T DC",
    "IEC_60309": "Industrial socket",
    "IEC_62196_T1": "Type 1",
    "IEC_62196_T1_COMBO": "CCS 1",
    "IEC_62196_T2": "Type 2",
    "IEC_62196_T2_COMBO": "CCS 2",
    "IEC_62196_T3": "Type 3",
    "SAE_J3400": "NACS",
    "UNKNOWN": "Unknown plug",
}

Latitude = Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is looked for, as the address says it."""

    lat: float | None
    lng: float | None
    fast: bool
    near: Category | None

    def address(self, **changes: object) -> str:
        """Return the address of the same search with changes."""
        place = {"lat": self.lat, "lng": self.lng}
        fields = {**place, "fast": "1" if self.fast else None, "near": self.near} | changes
        query = urlencode({name: value for name, value in fields.items() if value is not None})
        return f"/?{query}" if query else "/"


@routes.get("/")
@guarded(_OPEN)
async def find(
    page: Shown,
    *,
    lat: Latitude = None,
    lng: Longitude = None,
    fast: bool = False,
    near: Category | None = None,
) -> Response:
    """Show the chargers around a place, or around the middle of the map, beside the map."""
    wanted = _Wanted(lat, lng, fast, near)
    base = await _maybe(page.api, "/v1/map")
    if lat is not None and lng is not None:
        here: tuple[float, float] | None = (lat, lng)
    elif base is not None:
        west, south, east, north = base["bounds"]
        here = ((south + north) / 2, (west + east) / 2)
    else:
        here = None
    stops, named = ([], []) if here is None else await _around(page.api, here, wanted)
    return page.show(
        "driver/find.html",
        wanted=wanted,
        stops=stops,
        attributions=named,
        has_map=base is not None,
        has_place=here is not None,
        is_mine=lat is not None,
        chips=[(one, CATEGORIES[one]) for one in _CHIPS],
        categories=CATEGORIES,
    )


@routes.get("/c/{location_id}")
@guarded(_OPEN)
async def charger(page: Shown, location_id: UUID) -> Response:
    """Show one charger: its plugs, its price, and what is within a walk, offers first."""
    found = await page.api.get(f"/v1/chargers/{location_id}")
    one = found["charger"]
    at = one["position"]
    around = await page.api.get(
        "/v1/while-you-charge", lat=at["lat"], lng=at["lng"], radius_m=10, limit=10, places=1
    )
    stop = next((each for each in around["items"] if each["charger"]["id"] == one["id"]), None)
    walked = await page.api.get(f"/v1/chargers/{location_id}/places", limit=100)
    base = await _maybe(page.api, "/v1/map")
    named = {each["url"]: each for each in (*found["attributions"], *walked["attributions"])}
    return page.show(
        "driver/charger.html",
        charger=one,
        offers=[] if stop is None else stop["offers"],
        reach=_reach(walked["items"]),
        is_more=walked["next_cursor"] is not None,
        attributions=list(named.values()),
        has_map=base is not None,
        categories=CATEGORIES,
        plugs=PLUGS,
    )


@routes.get("/c/{location_id}/earn")
@guarded(page_for(Role.DRIVER))
async def earn(page: Shown, location_id: UUID) -> Response:
    """Show what the driver can earn by charging at a charger now."""
    found = await page.api.get(f"/v1/chargers/{location_id}")
    at = found["charger"]["position"]
    promised = await page.api.get("/v1/campaign-offers", lat=at["lat"], lng=at["lng"])
    return page.show("driver/earn.html", charger=found["charger"], promised=promised["items"])


async def _around(
    api: Api, here: tuple[float, float], wanted: _Wanted
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the chargers around a place with what is offered near them, and whom to name."""
    lat, lng = here
    asked = {"lat": lat, "lng": lng, "radius_m": RADIUS_M, "power_w_min": FAST_W if wanted.fast else None}
    near = await api.get("/v1/while-you-charge", **asked, category=wanted.near, limit=10, places=1)
    if wanted.near is not None:
        close = [one for one in near["items"] if _is_close(one["places"])]
        return close, near["attributions"]
    known = {one["charger"]["id"]: one for one in near["items"]}
    every = await api.get("/v1/chargers", **asked, limit=50)
    stops = [known.get(one["id"], {"charger": one, "offers": [], "places": []}) for one in every["items"]]
    return stops, every["attributions"]


def _is_close(places: list[dict[str, Any]]) -> bool:
    return bool(places) and places[0]["walk"]["minutes"] <= NEAR_MINUTES


def _reach(places: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return places by the fewest minutes on foot within which they are."""
    reach = []
    after = 0
    for most in STEPS:
        held = [one for one in places if after < one["walk"]["minutes"] <= most]
        reach.append({"minutes": most, "places": held})
        after = most
    return [one for one in reach if one["places"]]


async def _maybe(api: Api, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return what is there, None if it is not."""
    try:
        return await api.get(path)
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None
