"""The feed of an OpenStreetMap extract: places, charging sites and the pedestrian network of a file."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import osmium

from nerava.discovery.errors import FileUnreadable
from nerava.discovery.feeds import Attribution, Batch
from nerava.integrations.osm.chargers import sites_of
from nerava.integrations.osm.extract import read_extract
from nerava.kernel.geography import Box, metres_between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nerava.discovery.records import PlaceRecord, Record
    from nerava.integrations.osm.extract import Extract

ATTRIBUTION: Final = Attribution(
    text="© OpenStreetMap contributors",
    url="https://www.openstreetmap.org/copyright",
    licence="Open Database License (ODbL) 1.0",
)
SAME_PLACE_M: Final = 25
BATCH: Final = 1_000
_VERSION: Final = "1"
"""Part of the fingerprint: another reading of the same file is another import."""


class OsmFeed:
    """Everything of one extract. An interrupted import reads the file again and leaves out what is staged."""

    source: Final = "osm"
    attribution: Final = ATTRIBUTION
    absences_max: Final = 1
    total: int | None = None

    def __init__(self, path: Path, tell: Callable[[str, int, int], None] | None = None) -> None:
        """Look at the head of a file.

        Raises:
            FileUnreadable: It is no extract, or does not say what area it covers (422).
            OSError: It cannot be read at all.
        """
        self._path = path
        self._tell = tell or (lambda _step, _done, _total: None)
        self.fingerprint = f"{_VERSION}:{_hash(path)}"
        self.coverage = coverage_of(path)

    def batches(self, resume_at: str | None) -> Iterator[Batch]:
        """Yield sites, places and squares of the network; `position` counts them."""
        with TemporaryDirectory() as scratch:
            try:
                extract = read_extract(
                    self._path, Path(scratch), lambda number: self._tell("reading the extract", number, 0)
                )
            except RuntimeError as error:
                raise FileUnreadable(
                    f"{self._path.name} is not a whole OpenStreetMap extract: {error}"
                ) from None
        sites, places = sites_of(extract), merged(extract)
        squares = list(extract.network.squares())
        self.total = len(sites) + len(places) + len(squares)
        done = int(resume_at or 0)
        records: Iterator[Record] = islice(chain(sites, places, squares), done, None)
        while part := list(islice(records, BATCH)):
            rejects = extract.rejects if done == 0 else ()
            done += len(part)
            yield Batch(part, str(done), rejects)


def merged(extract: Extract) -> list[PlaceRecord]:
    """Return the places, one of each that is mapped twice: same name, same category, within 25 m (O3).

    Names are compared without case (O4). The first by kind (areas before nodes, they are the larger
    drawing) and number stays and names the others.
    """
    alike: defaultdict[tuple[str, str], list[PlaceRecord]] = defaultdict(list)
    for place in sorted(extract.places.values(), key=_order):
        same = alike[place.name.casefold(), place.category]
        for number, one in enumerate(same):
            if metres_between(one.position, place.position) <= SAME_PLACE_M:
                same[number] = _both(one, place)
                break
        else:
            same.append(place)
    return sorted((one for same in alike.values() for one in same), key=_order)


def _both(one: PlaceRecord, other: PlaceRecord) -> PlaceRecord:
    """Return one place of two: what the first does not say, the second does."""
    facts = {
        name: getattr(one, name) or getattr(other, name)
        for name in ("kind", "opening_hours", "wheelchair", "website", "phone", "brand", "brand_wikidata")
    }
    return replace(one, **facts, names={**other.names, **one.names}, also=(*one.also, other.reference))


def _order(place: PlaceRecord) -> tuple[int, int]:
    return ("rwn".index(place.reference[0]), int(place.reference[1:]))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def coverage_of(path: Path) -> Box:
    """Return the box that an extract says it covers.

    Raises:
        FileUnreadable: It is no extract, or does not say (422).
    """
    try:
        box = osmium.io.Reader(str(path)).header().box()
    except RuntimeError as error:
        raise FileUnreadable(f"{path.name} is not an OpenStreetMap extract: {error}") from None
    if not box.valid():
        raise FileUnreadable(
            f"{path.name} does not say what area it covers; cut it with a tool that writes the box"
        )
    return Box(box.bottom_left.lat, box.top_right.lat, box.bottom_left.lon, box.top_right.lon)
