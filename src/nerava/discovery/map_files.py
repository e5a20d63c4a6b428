"""Base maps as files: MBTiles in a folder, of which the chosen one is shown, or the newest."""

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
CHOSEN: Final = "shown"
"""The file of the folder that names the map to show; without it the newest is shown."""


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
        return _described(self._shown())

    def maps(self) -> dict[str, MapDescription]:
        """Return every map by the name of its file, in alphabetical order."""
        return {file.stem: _described(file) for file in sorted(self.folder.glob(f"*{SUFFIX}"))}

    def shown(self) -> str | None:
        """Return the name of the map that is shown, None if there is none."""
        try:
            return self._shown().stem
        except NoMap:
            return None

    def use(self, name: str | None) -> None:
        """Show a map from now on, in every process; None shows the newest, whichever that is. Repeats safely.

        Raises:
            NoMap: There is none of this name (404).
            OSError: The folder cannot be written.
        """
        if name is None:
            (self.folder / CHOSEN).unlink(missing_ok=True)
            return
        if name not in self.maps():
            raise NoMap(f"there is no map {name}")
        draft = self.folder / f".{CHOSEN}"
        draft.write_text(name, "utf-8")
        draft.replace(self.folder / CHOSEN)

    def tile(self, zoom: int, column: int, row: int) -> bytes | None:
        """Return a tile, gzipped, None where the map is empty.

        Raises:
            NoMap: There is none (404).
        """
        query = "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?"
        with closing(_opened(self._shown())) as file:
            # MBTiles counts rows from the south.
            found = file.execute(query, (zoom, column, (1 << zoom) - 1 - row)).fetchone()
        return None if found is None else bytes(found[0])

    def _shown(self) -> Path:
        try:
            chosen = self.folder / f"{(self.folder / CHOSEN).read_text('utf-8').strip()}{SUFFIX}"
        except (OSError, UnicodeDecodeError):
            return self._newest()
        return chosen if chosen.parent == self.folder and chosen.is_file() else self._newest()

    def _newest(self) -> Path:
        files = [(file.stat().st_mtime_ns, file) for file in self.folder.glob(f"*{SUFFIX}")]
        if not files:
            raise NoMap
        return max(files)[1]


def _described(path: Path) -> MapDescription:
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


def _opened(path: Path) -> sqlite3.Connection:
    # Immutable: files are replaced and never changed, so nobody has to lock.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _version(path: Path) -> str:
    return f"{path.stat().st_mtime_ns:x}"
