"""Swaps the pedestrian network of an area, and asks for ways to be counted again where something moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from nerava.discovery.cells import ZOOM, inside, point_of_cell
from nerava.discovery.model import ChargingSite, WalkCell
from nerava.discovery.neighbours import box_of
from nerava.platform.db.bulk import BulkInsert, BulkUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.discovery.areas import Area
    from nerava.discovery.staging import Staged
    from nerava.kernel.geography import Point

CELL_ZOOM: Final = 14
"""The zoom of the squares in which the network is kept: 2.4 km at the equator, 1.2 km at 60 degrees."""

REACH_M: Final = 1_000
"""Further away than ten minutes on foot: no way from there changes."""

_T: Final[Any] = WalkCell.__table__
_SITE: Final[Any] = ChargingSite.__table__
_NEW: Final = BulkInsert(_T, ("source", "cell", "body", "fingerprint"))
_CHANGED: Final = BulkUpdate(_T, match=("source", "cell"), assign=("body", "fingerprint"))


def swap_walks(session: Session, area: Area, staged: Sequence[Staged]) -> list[Point]:
    """Write the network of an area and return corners of the squares where it changed.

    Squares that a feed does not bring stay as they are: the network of a smaller extract lies beside
    that of a larger one.
    """
    query = select(_T.c.cell, _T.c.fingerprint).where(
        _T.c.source == area.source, _T.c.cell.in_([one.cell for one in staged])
    )
    known = {row.cell: row.fingerprint for row in session.execute(query)}
    fresh = [one for one in staged if known.get(one.cell) != one.fingerprint]
    _NEW.run(
        session,
        [(area.source, one.cell, one.body, one.fingerprint) for one in fresh if one.cell not in known],
    )
    _CHANGED.run(
        session, [(area.source, one.cell, one.body, one.fingerprint) for one in fresh if one.cell in known]
    )
    side = 4 ** (ZOOM - CELL_ZOOM)
    return [point_of_cell(cell) for one in fresh for cell in (one.cell, one.cell + side - 1)]


def want_links(session: Session, moved: Sequence[Point]) -> None:
    """Ask for the ways of every site around these points to be counted again."""
    if not moved:
        return
    here = inside(_SITE.c, box_of(list(moved), REACH_M))
    wanted = {"links_wanted": _SITE.c.links_wanted + 1}
    session.execute(update(_SITE).where(here, _SITE.c.is_shown).values(wanted))
