"""Base maps as files: MBTiles in a folder, the newest of which is shown."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from nerava.kernel.errors import NeravaError

SUFFIX: Final = ".mbtiles"


class NoMap(NeravaError):
    """No base map has been made here; lists work without one."""

    code = "no-map"
    status = HTTPStatus.NOT_FOUND
    title = "There is no base map"


@dataclass(frozen=True, slots=True)
class MapDescription:
    """What a map says of itself: bounds as west, south, east, north, zooms, layers, and whom to name."""

    name: str
    bounds: tuple[float, ...]
    zoom_min: int
    zoom_max: int
    attribution: str
    layers: list[dict[str, Any]]
    version: str


class MapFiles:
    """The maps of a folder. A file is replaced whole, so whoever reads one has one map or the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def describe(self) -> MapDescription:
        """Return what the shown map says of itself.

        Raises:
            NoMap: There is none (404).
        """
        path = self._newest()
        with closing(_opened(path)) as file:
            told = dict(file.execute("SELECT name, value FROM metadata").fetchall())
        return MapDescription(
            name=told.get("name", path.stem),
            bounds=tuple(float(part) for part in told.get("bounds", "-180,-85,180,85").split(",")),
            zoom_min=int(told.get("minzoom", 0)),
            zoom_max=int(told.get("maxzoom", 14)),
            attribution=told.get("attribution", ""),
            layers=json.loads(told.get("json", "{}")).get("vector_layers", []),
            version=_version(path),
        )

    def tile(self, zoom: int, column: int, row: int) -> bytes | None:
        """Return a tile, gzipped, None where the map is empty.

        Raises:
            NoMap: There is none (404).
        """
        query = "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?"
        with closing(_opened(self._newest())) as file:
            # MBTiles counts rows from the south.
            found = file.execute(query, (zoom, column, (1 << zoom) - 1 - row)).fetchone()
        return None if found is None else bytes(found[0])

    def _newest(self) -> Path:
        files = [(file.stat().st_mtime_ns, file) for file in self.folder.glob(f"*{SUFFIX}")]
        if not files:
            raise NoMap
        return max(files)[1]


def _opened(path: Path) -> sqlite3.Connection:
    # Immutable: files are replaced and never changed, so nobody has to lock.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _version(path: Path) -> str:
    return f"{path.stat().st_mtime_ns:x}"
