"""Draws the base map of an extract into vector tiles, one MBTiles file, generalised by zoom."""

from __future__ import annotations

import gzip
import json
import math
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import orjson
import osmium

from nerava.discovery.errors import FileUnreadable
from nerava.discovery.vector_tile import (
    BUFFER,
    EXTENT,
    LINE,
    POLYGON,
    Feature,
    clipped_line,
    clipped_ring,
    doubled_area,
    encoded,
    on_grid,
    simplified,
    turned,
)
from nerava.integrations.osm.coastline import sea_of
from nerava.integrations.osm.feed import ATTRIBUTION, coverage_of
from nerava.integrations.osm.map_layers import LAYERS, Drawn, drawn_area, drawn_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nerava.kernel.geography import Box

ZOOM_MIN: Final = 10
ZOOM_MAX: Final = 15
TOLERANCE: Final = 4
"""What is nearer to a straight line than this, in 4096ths of a tile, is drawn straight."""

AREA_MIN: Final = 64
"""Areas smaller than this many square units are left out below the finest zoom: they would be dots."""

_BATCH: Final = 5_000
_LARGE_BYTES: Final = 150_000_000

XY = tuple[float, float]


def draw_map(path: Path, target: Path, name: str, tell: Callable[[int], None] | None = None) -> int:
    """Draw an extract into an MBTiles file, which appears whole or not at all; return its tiles.

    Raises:
        FileUnreadable: It is no whole extract (422).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    box = coverage_of(path)
    with TemporaryDirectory(dir=target.parent, prefix=".map-") as scratch:
        made = Path(scratch) / "tiles.mbtiles"
        with (
            closing(sqlite3.connect(Path(scratch) / "pieces")) as pieces,
            closing(sqlite3.connect(made)) as out,
        ):
            _cut(path, Path(scratch), pieces, box, tell or (lambda _: None))
            with out:
                number = _put_together(pieces, out)
                _describe(out, name, box)
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(target)
    return number


def _cut(
    path: Path, scratch: Path, pieces: sqlite3.Connection, box: Box, tell: Callable[[int], None]
) -> None:
    pieces.execute("PRAGMA journal_mode = OFF")
    pieces.execute("CREATE TABLE piece (z, x, y, layer, kind, tags, parts)")
    storage = f"sparse_file_array,{scratch / 'nodes'}" if path.stat().st_size > _LARGE_BYTES else "flex_mem"
    coast: list[list[XY]] = []
    try:
        objects: Iterable[Any] = osmium.FileProcessor(str(path)).with_locations(storage).with_areas()
        for number, one in enumerate(objects):
            if number % _BATCH == 0:
                tell(number)
            if one.is_node() or not one.tags:
                continue
            if one.is_way():
                _cut_way(pieces, one, coast)
            elif one.is_area():
                _cut_area(pieces, one)
    except RuntimeError as error:
        raise FileUnreadable(f"{path.name} is not a whole extract: {error}") from None
    _cut_sea(pieces, coast, box)
    pieces.execute("CREATE INDEX place ON piece (z, x, y)")


def _cut_way(pieces: sqlite3.Connection, way: Any, coast: list[list[XY]]) -> None:  # noqa: ANN401 - osmium's
    tags = way.tags
    drawn = drawn_line(tags)
    is_coast = tags.get("natural") == "coastline"
    if drawn is None and not is_coast:
        return
    runs = _runs(way)
    if is_coast:
        coast.extend(runs)
    if drawn is None:
        return
    kept: dict[str, str | int] = {"class": drawn.kind}
    if drawn.layer == "road":
        kept |= {"name": tags["name"]} if "name" in tags else {}
        kept |= {"tunnel": 1} if tags.get("tunnel", "no") != "no" else {}
    for run in runs:
        _draw(pieces, drawn, kept, LINE, [[_mercator(point) for point in run]])


def _runs(way: Any) -> list[list[XY]]:  # noqa: ANN401 - osmium's
    """Return the parts of a way that is cut at the border (M1): it is never drawn across the gap."""
    runs: list[list[XY]] = [[]]
    for node in way.nodes:
        if node.location.valid():
            runs[-1].append((node.lon, node.lat))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def _cut_area(pieces: sqlite3.Connection, area: Any) -> None:  # noqa: ANN401 - osmium's
    drawn = drawn_area(area.tags)
    if drawn is None:
        return
    for outer in area.outer_rings():
        rings = [outer, *area.inner_rings(outer)]
        _draw(
            pieces,
            drawn,
            {"class": drawn.kind},
            POLYGON,
            [[_mercator((node.lon, node.lat)) for node in ring] for ring in rings],
        )


def _cut_sea(pieces: sqlite3.Connection, coast: list[list[XY]], box: Box) -> None:
    outlines, islands = sea_of(coast, box)
    sea = Drawn("sea", "sea", ZOOM_MIN)
    holes = [[_mercator(point) for point in island] for island in islands]
    for outline in outlines:
        _draw(pieces, sea, {"class": "sea"}, POLYGON, [[_mercator(point) for point in outline], *holes])


def _draw(
    pieces: sqlite3.Connection,
    drawn: Drawn,
    tags: Mapping[str, str | int],
    kind: int,
    parts: Sequence[Sequence[XY]],
) -> None:
    """Cut lines or an area with its holes into the tiles of every zoom that shows it."""
    packed = orjson.dumps(tags)
    for zoom in range(max(ZOOM_MIN, drawn.zoom), ZOOM_MAX + 1):
        side = (1 << zoom) * EXTENT
        scaled = [simplified([(x * side, y * side) for x, y in part], TOLERANCE) for part in parts]
        if kind == POLYGON and zoom < ZOOM_MAX and abs(doubled_area(scaled[0])) < 2 * AREA_MIN:
            continue
        for column, row in _tiles(scaled[0]):
            cut = list(_in_tile(scaled, kind, column, row))
            if cut:
                piece = (zoom, column, row, drawn.layer, kind, packed, orjson.dumps(cut))
                pieces.execute("INSERT INTO piece VALUES (?, ?, ?, ?, ?, ?, ?)", piece)


def _tiles(points: Sequence[XY]) -> Iterator[tuple[int, int]]:
    west, east = min(x for x, _ in points) - BUFFER, max(x for x, _ in points) + BUFFER
    north, south = min(y for _, y in points) - BUFFER, max(y for _, y in points) + BUFFER
    for column in range(math.floor(west / EXTENT), math.floor(east / EXTENT) + 1):
        for row in range(math.floor(north / EXTENT), math.floor(south / EXTENT) + 1):
            yield column, row


def _in_tile(
    parts: Sequence[Sequence[XY]], kind: int, column: int, row: int
) -> Iterator[list[tuple[int, int]]]:
    for number, part in enumerate(parts):
        local = [(x - column * EXTENT, y - row * EXTENT) for x, y in part]
        if kind == LINE:
            yield from filter(None, (on_grid(run, is_ring=False) for run in clipped_line(local)))
            continue
        ring = turned(on_grid(clipped_ring(local), is_ring=True), is_outer=number == 0)
        if ring:
            yield ring
        elif number == 0:
            return


def _put_together(pieces: sqlite3.Connection, out: sqlite3.Connection) -> int:
    out.execute("CREATE TABLE metadata (name TEXT PRIMARY KEY, value TEXT)")
    out.execute(
        "CREATE TABLE tiles (zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, tile_data BLOB, "
        "PRIMARY KEY (zoom_level, tile_column, tile_row)) WITHOUT ROWID"
    )
    number = 0
    query = "SELECT z, x, y, layer, kind, tags, parts FROM piece ORDER BY z, x, y, layer, rowid"
    layers: dict[str, list[Feature]] = {}
    at: tuple[int, int, int] | None = None
    for z, x, y, layer, kind, tags, parts in pieces.execute(query):
        if at is not None and at != (z, x, y):
            number += _write(out, at, layers)
            layers = {}
        at = (z, x, y)
        layers.setdefault(layer, []).append(Feature(kind, orjson.loads(parts), orjson.loads(tags)))
    return number if at is None else number + _write(out, at, layers)


def _write(out: sqlite3.Connection, at: tuple[int, int, int], layers: dict[str, list[Feature]]) -> int:
    zoom, column, row = at
    body = gzip.compress(encoded(layers), mtime=0)
    # MBTiles counts rows from the south.
    out.execute("INSERT INTO tiles VALUES (?, ?, ?, ?)", (zoom, column, (1 << zoom) - 1 - row, body))
    return 1


def _describe(out: sqlite3.Connection, name: str, box: Box) -> None:
    fields = {"class": "String", "name": "String", "tunnel": "Number"}
    layers = [
        {"id": layer, "fields": fields if layer == "road" else {"class": "String"}, "minzoom": ZOOM_MIN,
         "maxzoom": ZOOM_MAX}
        for layer in LAYERS
    ]  # fmt: skip
    middle = (box.west + box.east) / 2, (box.south + box.north) / 2
    values = {
        "name": name,
        "format": "pbf",
        "type": "baselayer",
        "bounds": f"{box.west},{box.south},{box.east},{box.north}",
        "center": f"{middle[0]},{middle[1]},{ZOOM_MAX - 1}",
        "minzoom": str(ZOOM_MIN),
        "maxzoom": str(ZOOM_MAX),
        "attribution": f'<a href="{ATTRIBUTION.url}">{ATTRIBUTION.text}</a>',
        "json": json.dumps({"vector_layers": layers}),
    }
    out.executemany("INSERT INTO metadata VALUES (?, ?)", values.items())


def _mercator(point: XY) -> XY:
    """Return a point on the web's map, 0 to 1 from the north-west."""
    longitude, latitude = point
    south = math.asinh(math.tan(math.radians(latitude))) / math.pi
    return (longitude + 180) / 360, (1 - south) / 2
