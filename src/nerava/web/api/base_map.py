"""The base map under the chargers: a description that MapLibre reads, and its vector tiles."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from nerava.discovery.map_files import NoMap
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import problems
from nerava.web.api.wiring import Wired, router

routes: Final = router("map")

TILE_TYPE: Final = "application/vnd.mapbox-vector-tile"
_DAY: Final = "public, max-age=86400"

_OPEN: Final = Policy(public="streets and houses are told to everybody")

Zoom = Annotated[int, Path(ge=0, le=22)]
Version = Annotated[str | None, Query(pattern="^[A-Za-z0-9._-]{1,64}$")]
Index = Annotated[int, Path(ge=0, lt=2**22)]


class TileJson(BaseModel):
    """A description of vector tiles in the words of TileJSON 3.0; MapLibre takes its address as a source."""

    tilejson: str = "3.0.0"
    name: str
    tiles: list[str]
    bounds: list[float] = Field(description="west, south, east, north")
    minzoom: int
    maxzoom: int
    attribution: str = Field(description="Has to be in view wherever the map is; HTML with a link")
    vector_layers: list[dict[str, Any]]


@routes.get("/map", summary="The base map", responses=problems(NoMap))
@guarded(_OPEN)
def base_map(wired: Wired) -> TileJson:
    """Return the description of the base map that is shown."""
    found = wired.maps.describe()
    return TileJson(
        name=found.name,
        tiles=[f"{wired.address}/v1/map/tiles/{{z}}/{{x}}/{{y}}?version={found.version}"],
        bounds=list(found.bounds),
        minzoom=found.zoom_min,
        maxzoom=found.zoom_max,
        attribution=found.attribution,
        vector_layers=found.layers,
    )


@routes.get(
    "/map/tiles/{z}/{x}/{y}",
    summary="A tile of the base map",
    response_class=Response,
    responses={
        **problems(NoMap),
        200: {"content": {TILE_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
        204: {"description": "The map is empty here"},
    },
)
@guarded(_OPEN)
def tile(z: Zoom, x: Index, y: Index, wired: Wired, *, version: Version = None) -> Response:  # noqa: ARG001 - makes it another address
    """Return a vector tile, gzipped. `version` changes with the map, so that caches may keep a tile."""
    body = wired.maps.tile(z, x, y)
    headers = {"cache-control": _DAY}
    if body is None:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    return Response(body, media_type=TILE_TYPE, headers={**headers, "content-encoding": "gzip"})
