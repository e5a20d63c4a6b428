"""From what peers sent to what follows: places, provisional sessions, records that settle, credits."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nerava.charging.errors import LocationInvalid, SessionInvalid
from nerava.charging.evidence import EvidenceLevel
from nerava.charging.matching import metres_between
from nerava.integrations.ocpi import exact_json
from nerava.integrations.ocpi.reading import (
    charge_of_cdr,
    charge_of_session,
    point_of,
    site_of,
    source_of,
)
from nerava.integrations.ocpi.wire import CdrIn, Drift, LocationIn, SessionIn, read_as
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import require_off
from nerava.roaming import charges, objects, pulls
from nerava.roaming.charges import Result
from nerava.roaming.model import Module
from nerava.roaming.objects import ObjectName
from nerava.roaming.places import hide_site, keep_site

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database
    from nerava.roaming.charges import Charge
    from nerava.roaming.model import RoamingObject

log = logging.getLogger(__name__)

PIECE: Final = 50
STOPPED_FOR: Final = timedelta(minutes=1)
SAME_SITE_M: Final = 5_000
"""A record that puts its location farther away than this speaks of another one."""

NOT_BEGUN: Final = frozenset({"PENDING", "RESERVED", "RESERVATION"})


class ObjectWork:
    """Lets follow from objects what follows, each in a unit of work of its own.

    Safe to repeat, to kill, and to run beside others: an object is done in the commit that does it.
    """

    def __init__(self, database: Database, own: tuple[str, str]) -> None:
        self._database = database
        self._own = own

    def run(self, now: datetime, *, of: tuple[UUID, Module] | None = None) -> int:
        """Work on what is due, a bounded piece of one module or of all, and return how much it was."""
        ids = self._database.read(lambda session: objects.due(session, now, PIECE, of=of))
        for object_id in ids:
            self._database.run(
                lambda session, one=object_id: self._one(session, one, now),  # type: ignore[misc]
                repeatable=True,
            )
        return len(ids)

    def _one(self, session: Session, object_id: UUID, now: datetime) -> None:
        row = objects.claimed(session, object_id, now)
        if row is None:
            return
        try:
            require_off(session, f"partner:{row.peer_id}")
        except SwitchedOff:
            row.due_at = now + STOPPED_FOR
            session.flush()
            return
        result = self._result(session, row, now)
        if result.outcome == "location_unknown" and row.attempts == 0:
            pulls.hasten(session, row.peer_id, Module.LOCATIONS, now)
        objects.note(session, row, result, now)

    def _result(self, session: Session, row: RoamingObject, now: datetime) -> Result:
        handlers: dict[str, Callable[[Session, RoamingObject, datetime], Result]] = {
            Module.LOCATIONS.value: self._location,
            Module.SESSIONS.value: self._session,
            Module.CDRS.value: self._record,
        }
        try:
            return handlers[row.module](session, row, now)
        except (Drift, exact_json.Unreadable):
            # What was read when it came is not read any more: only our own reader can have changed.
            log.exception("object %s cannot be read", row.id)
            return Result("unreadable")
        except SessionInvalid:
            return Result("unusable")

    @staticmethod
    def _location(session: Session, row: RoamingObject, now: datetime) -> Result:
        location = read_as(LocationIn, exact_json.read(row.body))
        if not location.publish:
            source = source_of(location.country_code, location.party_id)
            hide_site(session, source, location.id.lower(), now)
            return Result("not_public")
        site = site_of(location)
        if site is None:
            return Result("no_time_zone")
        try:
            keep_site(session, site, now)
        except LocationInvalid:
            return Result("unusable_place")
        if site.latitude is None:
            return Result("doubtful_coordinates")
        return Result("known" if site.listed is not None else "nothing_left")

    def _session(self, session: Session, row: RoamingObject, now: datetime) -> Result:
        told = read_as(SessionIn, exact_json.read(row.body))
        charge, linked = charge_of_session(told, row.body, self._own), row.session_id
        if told.status in NOT_BEGUN:
            return Result("not_begun")
        if self._is_private(session, row, charge):
            return Result("home_charging")
        if told.status == "INVALID":
            return charges.session_is_void(session, charge, linked=linked)
        if told.status == "COMPLETED":
            return charges.session_is_over(session, charge, now, linked=linked)
        if told.status == "ACTIVE":
            return charges.session_goes_on(session, charge, now, linked=linked)
        return Result("unknown_status")

    def _record(self, session: Session, row: RoamingObject, now: datetime) -> Result:
        cdr = read_as(CdrIn, exact_json.read(row.body))
        charge = charge_of_cdr(cdr, row.body, self._own)
        if cdr.credit:
            return self._credit(session, row, cdr, charge, now)
        if cdr.home_charging_compensation or self._is_private(session, row, charge):
            return Result("home_charging")
        told = None
        if cdr.session_id is not None:
            told = objects.found(session, _beside(row, Module.SESSIONS, cdr.session_id))
        if told is not None and told.body and exact_json.read(told.body).get("status") == "INVALID":
            return Result("void_session")
        if charge.ended_at is None:
            return Result("unusable_times")
        if self._is_elsewhere(session, row, cdr):
            charge = replace(charge, level=EvidenceLevel.PARTNER, doubt="doubtful_place")
        linked = row.session_id if told is None else told.session_id or row.session_id
        return charges.record_settles(session, charge, now, linked=linked)

    @staticmethod
    def _credit(session: Session, row: RoamingObject, cdr: CdrIn, charge: Charge, now: datetime) -> Result:
        if cdr.credit_reference_id is None:
            log.error("a credit of peer %s names no record: %s", row.peer_id, row.id)
            return Result("credit_of_nothing")
        original = _beside(row, Module.CDRS, cdr.credit_reference_id)
        credited = f"cdr:{cdr.credit_reference_id.lower()}"
        known = objects.found(session, original)
        result = charges.record_is_credited(session, charge, credited, now, original_key=original.key)
        if result.waits_for is not None and known is not None and known.state == "done":
            return Result("nothing_to_credit")
        if result.waits_for is None:
            objects.wake(session, row.peer_id, charges.credit_key(charge.source, credited), now)
        elif known is not None:
            return Result("original_waits", again_at=now + STOPPED_FOR)
        return result

    @staticmethod
    def _is_private(session: Session, row: RoamingObject, charge: Charge) -> bool:
        """Say whether it took place where the operator publishes nothing: at somebody's home."""
        place = _place(session, row, charge.location)
        return place is not None and not place.publish

    @staticmethod
    def _is_elsewhere(session: Session, row: RoamingObject, cdr: CdrIn) -> bool:
        """Say whether a record speaks of another place than its location; exchanged numbers do not."""
        place = _place(session, row, cdr.cdr_location.id)
        there, here = (
            point_of(cdr.cdr_location.coordinates),
            None if place is None else point_of(place.coordinates),
        )
        if there is None or here is None:
            return False
        exchanged = (there[1], there[0])
        ways = [there, exchanged] if abs(exchanged[0]) <= 90 else [there]  # noqa: PLR2004 - the poles
        return min(metres_between(one, here) for one in ways) > SAME_SITE_M


def _place(session: Session, row: RoamingObject, location_id: str | None) -> LocationIn | None:
    if location_id is None:
        return None
    found = objects.found(session, _beside(row, Module.LOCATIONS, location_id))
    return None if found is None or not found.body else read_as(LocationIn, exact_json.read(found.body))


def _beside(row: RoamingObject, module: Module, object_id: str) -> ObjectName:
    """Return the name of another object of the same party."""
    return ObjectName(row.peer_id, module, row.country_code, row.party_id, object_id)
