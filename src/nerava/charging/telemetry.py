"""What a car says about its charging becomes evidence: a session is opened, carried on, ended and attested.

All instants are the maker's: when we heard of it, and when the provider asked, prove nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import select

from nerava.charging import service
from nerava.charging.charger_status import Agreement, witness
from nerava.charging.errors import DriverAlreadyCharging
from nerava.charging.evidence import EvidenceLevel, NewEvidence
from nerava.charging.matching import SAME_PLACE_M, Sighting, known_session, metres_between
from nerava.charging.model import ChargingLocation, ChargingSession
from nerava.charging.states import SessionState
from nerava.charging.telemetry_store import VehicleCharge
from nerava.charging.verification import FindingCode
from nerava.charging.whereabouts import nearest_location
from nerava.kernel.ids import new_id
from nerava.vehicles.model import Vehicle
from nerava.vehicles.ports import CHARGE_LEVEL, ENERGY_ADDED, IS_CHARGING, WATTAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database
    from nerava.vehicles.ports import Heard, Sink, Told

STALE_AFTER: Final = timedelta(minutes=150)
"""Nearly two hours are usual between a car and us; what is older proves no charge that goes on."""

PLACE_HOLDS: Final = timedelta(minutes=30)
"""How long before a charge begins the car may have said where it is."""

BEGINS_WITHIN: Final = timedelta(minutes=15)
"""How much later than a car another source may say that the same charge began."""

ASKED_EVERY: Final = timedelta(minutes=30)
"""While a charge is open; more often is not good for the car's battery."""

CLOSED_AFTER: Final = timedelta(hours=3)
GRACE: Final = timedelta(minutes=5)
LONGEST: Final = timedelta(hours=24)
AT_ONCE: Final = 50
SAMPLES_MAX: Final = 200

NO_PLACE: Final = "no-place"
NO_CHARGER: Final = "no-charger-there"
DRIVER_BUSY: Final = "driver-charges-elsewhere"
WENT_SILENT: Final = "went-silent"
"""Of a charge that was closed although its car never said that it had stopped."""


def observer(idle_every: timedelta) -> Sink:
    """Return what takes in what cars say; a car that does not charge is asked again after `idle_every`."""

    def observe(session: Session, heard: Heard, now: datetime) -> timedelta:
        return ASKED_EVERY if _observe(session, heard, now) else idle_every

    return observe


def close_stale(database: Database, now: datetime) -> int:
    """End charges of which nothing new was heard for three hours, 50 at most, and return how many.

    They end with their last word and five minutes' grace, never now. Safe to repeat and to kill.
    """

    def unit(session: Session) -> int:
        query = select(VehicleCharge).where(VehicleCharge.due_at <= now).order_by(VehicleCharge.due_at)
        due = session.scalars(query.limit(AT_ONCE).with_for_update(skip_locked=True)).all()
        for charge in due:
            _end(session, charge, charge.last_at + GRACE, now)
            if charge.session_id is not None:
                charge.reason = WENT_SILENT
        return len(due)

    return database.run(unit)


def _observe(session: Session, heard: Heard, now: datetime) -> bool:
    """Take in what a car said, and return whether a charge is open."""
    said = heard.told.get(IS_CHARGING)
    query = select(VehicleCharge).where(
        VehicleCharge.vehicle_id == heard.vehicle_id, VehicleCharge.ended_at.is_(None)
    )
    charge = session.scalars(query.with_for_update()).one_or_none()
    if said is None or not heard.is_proof or (charge is not None and charge.link_id != heard.link_id):
        return charge is not None
    is_on = said.body.get("value") is True
    if charge is None:
        if _is_silent_one(session, heard, said) or not is_on or now - said.at > STALE_AFTER:
            return False
        charge = _opened(session, heard, said.at)
        charge.due_at = now + CLOSED_AFTER
    if not is_on:
        if said.at <= charge.started_at:
            return True
        _measure(charge, heard, said.at)
        _end(session, charge, said.at, now)
        return False
    known_until = charge.last_at
    _measure(charge, heard, said.at)
    if charge.last_at > known_until:  # a car that sleeps says the same again, however often it is asked
        charge.due_at = now + CLOSED_AFTER
    if charge.session_id is None:
        _find_place(session, charge, heard, now)
    if charge.last_at - charge.started_at >= LONGEST:
        _end(session, charge, charge.started_at + LONGEST, now)
        return False
    return True


def _is_silent_one(session: Session, heard: Heard, said: Told) -> bool:
    """Return whether this is about a charge that was closed when its car fell silent.

    Such a car may wake up and charge on, perhaps in another account: that is no other charge, and
    what it took in its sleep only an operator can prove. It is over when the car says that it has
    stopped, counts from the beginning again, stands elsewhere, or a day has passed.
    """
    newest = select(VehicleCharge).where(VehicleCharge.vehicle_id == heard.vehicle_id)
    last = session.scalars(newest.order_by(VehicleCharge.started_at.desc()).limit(1)).one_or_none()
    if last is None or last.reason != WENT_SILENT or said.at <= last.last_at:
        return False
    counted = heard.told.get(ENERGY_ADDED)
    value = None if counted is None else counted.body.get("value")
    begins_again = isinstance(value, int | float) and round(value) < (last.counted_last_wh or 0)
    is_over = said.body.get("value") is not True or said.at - last.last_at >= LONGEST
    if is_over or begins_again or _stands_elsewhere(session, last, heard.place):
        last.reason = None
        return False
    return True


def _stands_elsewhere(session: Session, charge: VehicleCharge, place: Told | None) -> bool:
    point = None if place is None or place.at <= charge.last_at else _point(place)
    if point is None:
        return False
    there = select(ChargingLocation.latitude, ChargingLocation.longitude).join(
        ChargingSession, ChargingSession.location_id == ChargingLocation.id
    )
    row = session.execute(there.where(ChargingSession.id == charge.session_id)).one()
    if row.latitude is None or row.longitude is None:
        return False
    return metres_between(point, (row.latitude, row.longitude)) > SAME_PLACE_M


def _opened(session: Session, heard: Heard, at: datetime) -> VehicleCharge:
    charge = VehicleCharge(
        id=new_id(),
        vehicle_id=heard.vehicle_id,
        link_id=heard.link_id,
        driver_id=heard.driver_id,
        source=heard.source,
        reason=NO_PLACE,
        doubts=[],
        started_at=at,
        last_at=at,
        samples=[],
        due_at=at + CLOSED_AFTER,
    )
    session.add(charge)
    return charge


def _measure(charge: VehicleCharge, heard: Heard, at: datetime) -> None:
    """Note charge level and energy; what was measured before the charge began is not of it."""
    level, counted = heard.told.get(CHARGE_LEVEL), heard.told.get(ENERGY_ADDED)
    sample: dict[str, Any] = {}
    newest = max(at, charge.last_at)
    for name, told in (("level", level), ("counted_wh", counted), ("watts", heard.told.get(WATTAGE))):
        value = None if told is None or told.at < charge.started_at else told.body.get("value")
        if told is None or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        sample[name] = round(value * 100) if name == "level" else round(value)
        newest = max(newest, told.at)
    if (found := sample.get("level")) is not None:
        charge.level_first = found if charge.level_first is None else charge.level_first
        charge.level_last = found
    if (found := sample.get("counted_wh")) is not None:
        charge.counted_first_wh = found if charge.counted_first_wh is None else charge.counted_first_wh
        charge.counted_last_wh = found
    is_new = not charge.samples or {**charge.samples[-1], "at": None} != {**sample, "at": None}
    if sample and is_new and len(charge.samples) < SAMPLES_MAX:
        charge.samples = [*charge.samples, {"at": newest.isoformat(), **sample}]
    charge.last_at = newest


def _find_place(session: Session, charge: VehicleCharge, heard: Heard, now: datetime) -> None:
    """Find the location the car charges at, and the session that this is."""
    place = heard.place
    if place is None or not charge.started_at - PLACE_HOLDS <= place.at:
        return
    point = _point(place)
    found = None if point is None else nearest_location(session, *point)
    if found is None:
        charge.reason = NO_CHARGER if point is not None else NO_PLACE
        return
    session.flush()
    told_elsewhere = known_session(session, _sighting(charge, found.location_id))
    if told_elsewhere is not None:
        charge.session_id = told_elsewhere
    elif _has_open_session(session, charge.driver_id):
        charge.reason = DRIVER_BUSY
        return
    else:
        new = service.SessionStart(
            source=charge.source,
            reference=str(charge.id),
            driver_id=charge.driver_id,
            location_id=found.location_id,
            connector_id=None,
            started_at=charge.started_at,
            evidence_level=EvidenceLevel.TELEMETRY,
        )
        try:
            charge.session_id = service.start(session, new, now)
        except DriverAlreadyCharging:
            charge.reason = DRIVER_BUSY
            return
    charge.reason = None
    last_parked = place.body.get("is_last_parked") is True
    charge.doubts = [FindingCode.PLACE_LAST_PARKED.value] if last_parked else []
    stood = {"at": place.at.isoformat(), "distance_m": found.distance_m, "is_last_parked": last_parked}
    charge.samples = [{"place": stood}, *charge.samples]


def _end(session: Session, charge: VehicleCharge, ended_at: datetime, now: datetime) -> None:
    """End a charge: close its session once, and attest what was measured."""
    charge.ended_at, charge.due_at = max(ended_at, charge.started_at), None
    if charge.session_id is None:
        return
    query = select(ChargingSession).where(ChargingSession.id == charge.session_id)
    row = session.scalars(query.execution_options(populate_existing=True)).one()
    level, agreement = EvidenceLevel.TELEMETRY, Agreement.UNKNOWN
    seen = witness(session, row.location_id, charge.started_at, charge.ended_at)
    agreement = seen.agreement
    if agreement is Agreement.AGREES:
        level, charge.doubts = EvidenceLevel.TELEMETRY_AND_CHARGER, []
    elif agreement is Agreement.IDLE:
        charge.doubts = [*charge.doubts, FindingCode.CHARGER_IDLE.value]
    energy_wh, by = _energy_wh(charge, _battery_wh(session, charge.vehicle_id))
    session.flush()
    if row.state == SessionState.OPEN:
        ended = max(charge.ended_at, row.started_at)
        service.close(session, row.id, ended_at=ended, energy_wh=energy_wh)
    body: Mapping[str, object] = {
        "samples": charge.samples,
        "energy_by": by,
        "chargers": agreement.value,
        "doubts": charge.doubts,
    }
    piece = NewEvidence(
        session_id=row.id,
        level=level,
        source=charge.source,
        reference=str(charge.id),
        at=charge.ended_at,
        body=body,
        energy_wh=energy_wh,
        started_at=charge.started_at,
        ended_at=charge.ended_at,
    )
    service.attest(session, [piece], now)


def _energy_wh(charge: VehicleCharge, battery_wh: int | None) -> tuple[int, str]:
    """Return what went into the car while we looked, rounded down, and by what it was measured.

    By the car's own count, else by the rise of its charge level, else by its power. What went in
    before its first word is nobody's evidence.
    """
    if charge.counted_first_wh is not None and charge.counted_last_wh is not None:
        counted = charge.counted_last_wh - charge.counted_first_wh
        if counted > 0:
            return counted, "count"
    if charge.level_first is not None and charge.level_last is not None and battery_wh is not None:
        return max(0, charge.level_last - charge.level_first) * battery_wh // 10_000, "charge-level"
    watts = [one["watts"] for one in charge.samples if one.get("watts", 0) > 0]
    if not watts or charge.ended_at is None:
        return 0, "nothing"
    return min(watts) * ((charge.ended_at - charge.started_at) // timedelta(seconds=1)) // 3_600, "power"


def _battery_wh(session: Session, vehicle_id: UUID) -> int | None:
    return session.scalar(select(Vehicle.battery_wh).where(Vehicle.id == vehicle_id))


def _sighting(charge: VehicleCharge, location_id: UUID) -> Sighting:
    """Return a charge as far as the car has told of it: what began well after that is another one."""
    return Sighting(
        driver_id=charge.driver_id,
        location_id=location_id,
        started_at=charge.started_at,
        ended_at=charge.last_at + BEGINS_WITHIN,
        told_as=(charge.source, str(charge.id)),
    )


def _has_open_session(session: Session, driver_id: UUID) -> bool:
    query = select(ChargingSession.id).where(
        ChargingSession.driver_id == driver_id, ChargingSession.state == SessionState.OPEN.value
    )
    return session.scalar(query) is not None


def _point(place: Told) -> tuple[float, float] | None:
    latitude, longitude = place.body.get("latitude"), place.body.get("longitude")
    for value, most in ((latitude, 90), (longitude, 180)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not -most <= value <= most:
            return None
    return float(latitude), float(longitude)  # type: ignore[arg-type]
