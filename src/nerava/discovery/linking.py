"""Counts the ways on foot from charging locations to the places around them, and keeps them as links.

Who has to be counted stands in the rows of the sites, so this can be stopped and gone on with anywhere,
and a place, a site or a street that changed meanwhile is counted again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import delete, func, select

from nerava.discovery.cells import cells_of_square, inside, square_of
from nerava.discovery.model import ChargingSite, Place, WalkCell, WalkLink
from nerava.discovery.walk_rows import CELL_ZOOM
from nerava.discovery.walking import METRES_PER_MINUTE, MINUTES_MAX, Network, Piece, unpack
from nerava.kernel.geography import Point, box_around
from nerava.platform.db.bulk import BulkInsert, BulkUpdate

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.discovery.walking import Way
    from nerava.platform.db import Database

BATCH: Final = 50
"""Sites that are counted in one go."""

PIECE: Final = 10
"""Sites that a worker counts before it looks at its other work."""

PIECES_KEPT_MAX: Final = 64

_SITE: Final[Any] = ChargingSite.__table__
_PLACE: Final[Any] = Place.__table__
_WALK: Final[Any] = WalkCell.__table__
_LINK: Final[Any] = WalkLink.__table__
_NEW: Final = BulkInsert(_LINK, ("location_id", "place_id", "metres", "minutes", "is_estimate"), if_new=True)
_COUNTED: Final = BulkUpdate(_SITE, match=("id", "location_id"), assign=("links_counted",))


class Due(NamedTuple):
    """A site whose ways have to be counted; `wanted` is how often somebody asked for it."""

    id: UUID
    location_id: UUID
    latitude: float
    longitude: float
    wanted: int


class Linker:
    """Counts ways; keeps the network of the last squares, because sites come in the order of their cells."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pieces: OrderedDict[int, tuple[Piece, ...]] = OrderedDict()
        self._network: tuple[tuple[int, int], Network] | None = None

    def due(self) -> int:
        """Return how many sites have to be counted."""
        query = select(func.count()).select_from(_SITE).where(_SITE.c.links_wanted > _SITE.c.links_counted)
        return self._database.read(lambda session: session.scalar(query) or 0)

    def run(self, tell: Callable[[int], None] | None = None) -> int:
        """Count until nothing is due; return how many sites were counted. Repeats safely."""
        counted = 0
        while done := self.step(BATCH):
            counted += done
            if tell:
                tell(counted)
        return counted

    def step(self, most: int = PIECE) -> int:
        """Count the ways of so many sites at most and return how many there were; 0 when nothing is due.

        Safe to repeat, to kill, and beside another process that counts the same.
        """
        batch = self._database.read(lambda session: self._batch(session, most))
        if not batch:
            return 0
        links = self._database.read(lambda session: self._count(session, batch))
        self._database.run(lambda session: _write(session, batch, links), repeatable=True)
        return len(batch)

    def _batch(self, session: Session, most: int) -> list[Due]:
        columns = (_SITE.c.id, _SITE.c.location_id, _SITE.c.latitude, _SITE.c.longitude, _SITE.c.links_wanted)
        query = (
            select(*columns)
            .where(_SITE.c.links_wanted > _SITE.c.links_counted)
            .order_by(_SITE.c.cell, _SITE.c.id)
            .limit(most)
        )
        return [Due(*row) for row in session.execute(query)]

    def _count(self, session: Session, batch: list[Due]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for due in batch:
            here = Point(due.latitude, due.longitude)
            places = _places_around(session, here)
            if not places:
                continue
            ways = self._network_around(session, here).ways(here, [doors for _, doors in places])
            rows += [_row(due, place_id, way) for (place_id, _), way in zip(places, ways, strict=True) if way]
        return rows

    def _network_around(self, session: Session, point: Point) -> Network:
        column, row = square_of(point, CELL_ZOOM)
        if self._network is None or self._network[0] != (column, row):
            side = 1 << CELL_ZOOM
            squares = [
                cells_of_square((column + right) % side, row + down, CELL_ZOOM)[0]
                for right in (-1, 0, 1)
                for down in (-1, 0, 1)
                if 0 <= row + down < side
            ]
            self._load(session, [square for square in squares if square not in self._pieces])
            pieces = [piece for square in squares for piece in self._pieces[square]]
            self._network = ((column, row), Network(pieces))
            while len(self._pieces) > PIECES_KEPT_MAX:
                self._pieces.popitem(last=False)
        return self._network[1]

    def _load(self, session: Session, squares: list[int]) -> None:
        found: dict[int, list[Piece]] = {square: [] for square in squares}
        query = select(_WALK.c.cell, _WALK.c.body).where(_WALK.c.cell.in_(squares))
        for row in session.execute(query):
            found[row.cell].append(unpack(row.body))
        self._pieces.update((square, tuple(pieces)) for square, pieces in found.items())


def _places_around(session: Session, point: Point) -> list[tuple[UUID, tuple[Point, ...]]]:
    box = box_around(point, MINUTES_MAX * METRES_PER_MINUTE)
    query = select(_PLACE.c.id, _PLACE.c.latitude, _PLACE.c.longitude, _PLACE.c.doors).where(
        inside(_PLACE.c, box), _PLACE.c.gone_at.is_(None)
    )
    return [
        (row.id, tuple(Point(*door) for door in row.doors) or (Point(row.latitude, row.longitude),))
        for row in session.execute(query)
    ]


def _row(due: Due, place_id: UUID, way: Way) -> tuple[Any, ...]:
    return (due.location_id, place_id, way.metres, way.minutes, way.is_estimate)


def _write(session: Session, batch: list[Due], rows: list[tuple[Any, ...]]) -> None:
    session.execute(delete(_LINK).where(_LINK.c.location_id.in_([due.location_id for due in batch])))
    _NEW.run(session, sorted(rows, key=lambda row: (row[0], row[1])))
    # Who asked again meanwhile is not answered by this.
    _COUNTED.run(session, [(due.id, due.location_id, due.wanted) for due in batch])
