"""Brings sites in one by one, as their operators tell of them, by the rules of an import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select, update

from nerava.discovery.areas import Area
from nerava.discovery.cells import CELL_MAX
from nerava.discovery.checking import complaint_about
from nerava.discovery.model import ChargingSite, DiscoverySource
from nerava.discovery.site_rows import end_sites, swap_sites
from nerava.discovery.staging import packed
from nerava.kernel.ids import new_id
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.discovery.feeds import Attribution
    from nerava.discovery.records import SiteRecord

_SITE: Final[Any] = ChargingSite.__table__
_SOURCE: Final[Any] = DiscoverySource.__table__
_KNOW: Final = BulkInsert(_SOURCE, ("source", "attribution", "url", "licence", "imported_at"), if_new=True)


def keep_site(
    session: Session, source: str, terms: Attribution, record: SiteRecord, now: datetime
) -> UUID | None:
    """Make a site known, or what is known of it true again; return the location that it stands for.

    One that another source knows is the same location. None where the record cannot be kept: it has no
    name, or lies outside the globe. Repeats safely; the ways on foot from it are counted later.
    """
    if complaint_about(record) is not None:
        return None
    _know_source(session, source, terms, now)
    area = Area(
        run_id=new_id(), source=source, first=0, last=CELL_MAX, coverage=None, absences_max=1, now=now
    )
    swap_sites(session, area, [packed(record)])
    return location_of(session, source, record.reference)


def drop_site(session: Session, source: str, reference: str, now: datetime) -> None:
    """Mark a site gone that its operator shows no more; another source of it is shown. Repeats safely."""
    end_sites(session, source, [reference], now)


def location_of(session: Session, source: str, reference: str) -> UUID | None:
    """Return the location that a site of a source stands for, gone or not; None for a site never told of."""
    query = select(_SITE.c.location_id).where(_SITE.c.source == source, _SITE.c.reference == reference)
    found: UUID | None = session.scalar(query)
    return found


def _know_source(session: Session, source: str, terms: Attribution, now: datetime) -> None:
    _KNOW.run(session, [(source, terms.text, terms.url, terms.licence, now)])
    told = {"attribution": terms.text, "url": terms.url, "licence": terms.licence}
    differs = or_(*(_SOURCE.c[name] != value for name, value in told.items()))
    session.execute(update(_SOURCE).where(_SOURCE.c.source == source, differs).values(told))
