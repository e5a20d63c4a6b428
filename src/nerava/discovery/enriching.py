"""What a directory says about a place of ours right now: shown beside our own row, and never in its stead."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import select, update

from nerava.discovery.errors import UnknownPlace
from nerava.discovery.model import Place
from nerava.discovery.reference_store import PlaceReference
from nerava.kernel.errors import NeravaError
from nerava.kernel.geography import Point
from nerava.kernel.outcomes import Ok, Refused
from nerava.platform.outbound import caller_deadline

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.kernel.outcomes import Outcome
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

LOOK_WITHIN_S: Final = 3.0
"""Everything that is asked for one look; somebody waits, and our own row is there without it."""

LOOKS_AT_ONCE: Final = 8
"""Whoever comes while so many wait for the directory is told at once that it is busy."""

DEAD_FOR: Final = timedelta(hours=24)
"""An id that is not valid, or a place that is not there, is not asked for again within this."""

POSITION_KEPT: Final = timedelta(days=30)
POSITION_SEEN_AGAIN: Final = timedelta(days=1)
ID_GOOD_FOR: Final = timedelta(days=365)
CHECKED_AT_ONCE: Final = 20
OFF: Final = "off"
BUSY: Final = "busy"
NOT_KNOWN: Final = "not-known"
NOT_FOUND: Final = "not-found"

_PLACE: Final[Any] = Place.__table__
_REFERENCE: Final[Any] = PlaceReference.__table__


class BusinessStatus(StrEnum):
    """Whether a business is there at all."""

    OPERATIONAL = "operational"
    CLOSED_TEMPORARILY = "closed_temporarily"
    CLOSED_PERMANENTLY = "closed_permanently"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo: its short-lived name, and who must be named beside it."""

    name: str
    authors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceContent:
    """What a directory says about a place. What is None is not known; no hours are no closed door.

    Attributes:
        reference: Its id of the place.
        moved_to: The id of the place that it moved to.
        rating_tenths: Of five stars, in tenths.
        attribution: Must be shown wherever any of this is.
    """

    reference: str
    moved_to: str | None
    name: str | None
    language: str | None
    address: str | None
    position: Point | None
    status: BusinessStatus
    is_open_now: bool | None
    hours: tuple[str, ...] | None
    rating_tenths: int | None
    ratings: int | None
    price_level: str | None
    website: str | None
    phone: str | None
    link: str | None
    photos: tuple[Photo, ...]
    attribution: str

    @property
    def may_be_recommended(self) -> bool:
        """Whether nothing says that it is closed for longer than a night."""
        return self.status in {BusinessStatus.OPERATIONAL, BusinessStatus.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Told:
    """What a directory answered, and when it said so (aware UTC)."""

    outcome: Outcome[PlaceContent]
    as_of: datetime | None


class PlaceDirectory(Protocol):
    """Somebody who knows more about places than we do, for money and under terms."""

    @property
    def source(self) -> str:
        """The name under which its ids are kept."""
        ...

    def find(self, name: str, position: Point) -> Outcome[str | None]:
        """Return its id of the place with this name there, None if it has none."""
        ...

    def details(self, reference: str, language: str) -> Told:
        """Return what it says about a place; of one that moved, about the place it moved to."""
        ...

    def still_there(self, reference: str) -> Outcome[str | None]:
        """Return the id under which a place is found today, None if it is not any more; costs nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Enriched:
    """What may be shown beside a place of ours.

    Attributes:
        content: None where nothing is known right now.
        as_of: When it was said, aware UTC.
        missing: Why there is no content, in a word: `off`, `not-known`, `busy`, or why nobody could be asked.
    """

    content: PlaceContent | None
    as_of: datetime | None = None
    missing: str | None = None


class PlaceEnrichment:
    """Looks places of ours up in a directory, one at a time and only when somebody looks at one.

    Safe to share between threads. Whatever the directory does, there is an answer.
    """

    def __init__(self, database: Database, directory: PlaceDirectory | None) -> None:
        self._database = database
        self._directory = directory
        self._places = threading.BoundedSemaphore(LOOKS_AT_ONCE)

    def look(self, place_id: UUID, language: str, now: datetime) -> Enriched:
        """Return what is said about a place of ours, within 3 s and what our own database takes.

        The directory is asked outside of any transaction, by eight callers of this process at most.

        Raises:
            UnknownPlace: We have no such place (404).
        """
        name, position, known = self._database.read(lambda session: _known(session, place_id, self._source))
        directory = self._directory
        if directory is None:
            return Enriched(None, missing=OFF)
        if known is not None and known.dead_until is not None and known.dead_until > now:
            return Enriched(None, missing=NOT_KNOWN)
        if not self._places.acquire(blocking=False):
            return Enriched(None, missing=BUSY)
        try:
            with caller_deadline(LOOK_WITHIN_S):
                return self._asked(directory, place_id, _Called(name, position, language), known, now)
        finally:
            self._places.release()

    def _asked(
        self,
        directory: PlaceDirectory,
        place_id: UUID,
        called: _Called,
        known: _Known | None,
        now: datetime,
    ) -> Enriched:
        language = called.language
        if known is not None and known.reference is not None:
            return self._shown(place_id, known, directory.details(known.reference, language), now)
        found = directory.find(called.name, called.position)
        if not isinstance(found, Ok):
            return Enriched(None, missing=found.code)
        self._remember(place_id, found.value, now, dead=found.value is None)
        if found.value is None:
            return Enriched(None, missing=NOT_KNOWN)
        fresh = _Known(found.value, None, None)
        return self._shown(place_id, fresh, directory.details(found.value, language), now)

    def _shown(self, place_id: UUID, known: _Known, told: Told, now: datetime) -> Enriched:
        """Keep what may be kept of an answer, and return what may be shown."""
        if isinstance(told.outcome, Refused) and told.outcome.code == NOT_FOUND:
            self._remember(place_id, known.reference, now, dead=True)
            return Enriched(None, missing=NOT_KNOWN)
        if not isinstance(told.outcome, Ok):
            return Enriched(None, missing=told.outcome.code)
        content = told.outcome.value
        if _has_news(known, content, now):
            self._remember(place_id, content.reference, now, position=content.position)
        return Enriched(content, told.as_of)

    def keep_house(self, now: datetime) -> int:
        """Forget positions after 30 days and look at ids after a year; return how many rows changed."""
        forgotten = self._database.run(lambda session: _forget_positions(session, now))
        return forgotten + self._check_old_ids(now)

    @property
    def _source(self) -> str:
        return "" if self._directory is None else self._directory.source

    def _check_old_ids(self, now: datetime) -> int:
        directory = self._directory
        if directory is None:
            return 0
        old = (
            select(_REFERENCE.c.place_id, _REFERENCE.c.reference)
            .where(_REFERENCE.c.source == directory.source, _REFERENCE.c.reference.is_not(None))
            .where(_REFERENCE.c.checked_at <= now - ID_GOOD_FOR)
            .limit(CHECKED_AT_ONCE)
        )
        rows = self._database.read(lambda session: list(session.execute(old)))
        for done, row in enumerate(rows):
            found = directory.still_there(row.reference)
            if not isinstance(found, Ok):
                return done
            self._keep(row.place_id, found.value or row.reference, now, dead=found.value is None)
        return len(rows)

    def _remember(
        self,
        place_id: UUID,
        reference: str | None,
        now: datetime,
        position: Point | None = None,
        *,
        dead: bool = False,
    ) -> None:
        """Keep it if that can be done now; whoever only looks is shown what there is all the same."""
        try:
            self._keep(place_id, reference, now, position, dead=dead)
        except NeravaError as error:
            log.info("what a directory said about a place is not kept: %s", error)

    def _keep(
        self,
        place_id: UUID,
        reference: str | None,
        now: datetime,
        position: Point | None = None,
        *,
        dead: bool = False,
    ) -> None:
        values: dict[str, object] = {
            "reference": reference,
            "checked_at": now,
            "dead_until": now + DEAD_FOR if dead else None,
        }
        if position is not None:
            values |= {"latitude": position.latitude, "longitude": position.longitude, "position_at": now}
        source = self._source

        def work(session: Session) -> None:
            row = session.get(PlaceReference, (place_id, source))
            if row is None:
                row = PlaceReference(place_id=place_id, source=source)
                session.add(row)
            for name, value in values.items():
                setattr(row, name, value)

        self._database.run(work)


@dataclass(frozen=True, slots=True)
class _Called:
    name: str
    position: Point
    language: str


@dataclass(frozen=True, slots=True)
class _Known:
    reference: str | None
    position_at: datetime | None
    dead_until: datetime | None


def _known(session: Session, place_id: UUID, source: str) -> tuple[str, Point, _Known | None]:
    columns = (_PLACE.c.name, _PLACE.c.latitude, _PLACE.c.longitude)
    place = session.execute(
        select(*columns).where(_PLACE.c.id == place_id, _PLACE.c.gone_at.is_(None))
    ).one_or_none()
    if place is None:
        raise UnknownPlace(f"no place {place_id}")
    asked = select(_REFERENCE.c.reference, _REFERENCE.c.position_at, _REFERENCE.c.dead_until)
    row = session.execute(
        asked.where(_REFERENCE.c.place_id == place_id, _REFERENCE.c.source == source)
    ).one_or_none()
    known = None if row is None else _Known(row.reference, row.position_at, row.dead_until)
    return place.name, Point(place.latitude, place.longitude), known


def _has_news(known: _Known, content: PlaceContent, now: datetime) -> bool:
    is_old = known.position_at is None or known.position_at < now - POSITION_SEEN_AGAIN
    return content.reference != known.reference or known.dead_until is not None or is_old


def _forget_positions(session: Session, now: datetime) -> int:
    forgotten = (
        update(_REFERENCE)
        .where(_REFERENCE.c.position_at <= now - POSITION_KEPT)
        .values(latitude=None, longitude=None, position_at=None)
    )
    return int(session.execute(forgotten).rowcount)  # type: ignore[attr-defined]
