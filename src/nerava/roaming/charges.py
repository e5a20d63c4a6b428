"""What operators say of a charge becomes evidence: sessions held, records final, credits taken back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.charging import service as charging
from nerava.charging.errors import DriverAlreadyCharging, SessionInvalid
from nerava.charging.evidence import EvidenceLevel, NewEvidence
from nerava.charging.ingest import NewSession, ingest
from nerava.charging.lookup import session_known_as
from nerava.charging.matching import Sighting, known_session
from nerava.charging.model import SessionEvidence
from nerava.charging.queries import session_view
from nerava.charging.states import SessionState
from nerava.roaming.places import Plug, plug_of, site_known_as
from nerava.roaming.tokens import token_with

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.evidence import SessionPrice
    from nerava.charging.queries import SessionView

CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)
LONGEST_OPEN: Final = timedelta(hours=24)
"""An operator who never says that a session is over is not believed for longer than this."""

LOOK_AGAIN: Final = timedelta(minutes=15)
_E: Final[Any] = SessionEvidence.__table__.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one object of an operator says about one charge, in our units.

    Attributes:
        source: The operator, `ocpi:DE-ABC`.
        reference: The operator's name for the session, and `record` for this piece of evidence.
        token_uid, token_kind: What the driver showed.
        location: The operator's name for the place, None where it says none, and `location_key`
            the name of the object that describes it.
        ended_at: When it stopped charging; None while it goes on.
        level: What it proves; `PARTNER` where something speaks against it, and `doubt` says what.
        price: What the operator asks for it; None where it says nothing.
        body: What the operator sent, and what we read in it.
    """

    source: str
    reference: str
    record: str
    token_uid: str
    token_kind: str
    location: str | None
    location_key: str
    evse: str | None
    connector: str | None
    started_at: datetime
    ended_at: datetime | None
    told_at: datetime
    energy_wh: int
    level: EvidenceLevel
    body: Mapping[str, object]
    price: SessionPrice | None = None
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What followed from an object.

    Attributes:
        outcome: In a word; stable, counted.
        waits_for: The key of an object without which it cannot go on.
        again_at: When it is to be looked at again although nothing is missing.
    """

    outcome: str
    driver_id: UUID | None = None
    session_id: UUID | None = None
    waits_for: str | None = None
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Setting:
    """A charge with our own names for who and where."""

    driver_id: UUID
    location_id: UUID
    connector_id: UUID | None


def session_goes_on(session: Session, charge: Charge, now: datetime, *, linked: UUID | None) -> Result:
    """Open the session of a charge that has begun, or find the one that another source opened.

    One of which nothing was heard for a day is closed with what was last told.
    """
    setting = _setting(session, charge)
    if isinstance(setting, Result):
        return setting
    known = _known(session, charge, linked)
    is_stale = now >= charge.started_at + LONGEST_OPEN
    if known is not None:
        return _still_open(session, charge, known, is_stale=is_stale)
    if is_stale or charge.started_at > now + CLOCKS_DIFFER_BY:
        return Result("unusable_times", setting.driver_id)
    same = known_session(session, _sighting(charge, setting))
    if same is not None:
        return Result("same_charge", setting.driver_id, same)
    start = charging.SessionStart(
        source=charge.source,
        reference=charge.reference,
        driver_id=setting.driver_id,
        location_id=setting.location_id,
        connector_id=setting.connector_id,
        started_at=charge.started_at,
        evidence_level=EvidenceLevel.PARTNER,
    )
    try:
        opened = charging.start(session, start, now)
    except DriverAlreadyCharging:
        return Result("driver_elsewhere", setting.driver_id, again_at=now + LOOK_AGAIN)
    return Result("open", setting.driver_id, opened, again_at=charge.started_at + LONGEST_OPEN)


def _still_open(session: Session, charge: Charge, known: SessionView, *, is_stale: bool) -> Result:
    if not is_stale:
        return Result("open", known.driver_id, known.id, again_at=charge.started_at + LONGEST_OPEN)
    if known.state is SessionState.OPEN:
        ended_at = max(charge.told_at, known.started_at)
        charging.close(session, known.id, ended_at=ended_at, energy_wh=charge.energy_wh)
    return Result("never_ended", known.driver_id, known.id)


def session_is_over(session: Session, charge: Charge, now: datetime, *, linked: UUID | None) -> Result:
    """Take in a session that is over: what it earns is held until the operator's record comes."""
    setting = _setting(session, charge)
    if isinstance(setting, Result):
        return setting
    known = _known(session, charge, linked) or _seen_elsewhere(session, charge, setting)
    return _attested(session, charge, setting, now, known=known, outcome="told")


def session_is_void(session: Session, charge: Charge, *, linked: UUID | None) -> Result:
    """End a session that its operator declared invalid: it proves nothing and earns nothing."""
    driver_id = _driver_of(session, charge)
    if driver_id is None:
        return Result("not_ours")
    known = _known(session, charge, linked)
    if known is not None and known.state is SessionState.OPEN and known.source == charge.source:
        charging.close(session, known.id, ended_at=max(charge.told_at, known.started_at), energy_wh=0)
    return Result("void", driver_id, None if known is None else known.id)


def record_settles(session: Session, charge: Charge, now: datetime, *, linked: UUID | None) -> Result:
    """Take in a charge detail record: it proves the session, known before or not.

    A second record of one session waits until the first one is credited; then it stands for a
    session of its own, since what the first one gave was taken back.
    """
    setting = _setting(session, charge)
    if isinstance(setting, Result):
        return setting
    known = _known(session, charge, linked) or _seen_elsewhere(session, charge, setting)
    first = None if known is None else _other_record(session, known.id, charge)
    if first is not None:
        if not _is_credited(session, charge.source, first):
            return Result("second_record", setting.driver_id, waits_for=credit_key(charge.source, first))
        alone = replace(charge, reference=charge.record)
        return _attested(session, alone, setting, now, known=None, outcome="corrected")
    if known is None and charge.energy_wh == 0:
        return Result("no_energy", setting.driver_id)
    outcome = "settled" if charge.doubt is None else charge.doubt
    return _attested(session, charge, setting, now, known=known, outcome=outcome)


def credit_key(source: str, record: str) -> str:
    """Return for what a second record waits: the credit of the first."""
    return f"credit/{source}/{record}"


def record_is_credited(
    session: Session, charge: Charge, credited: str, now: datetime, *, original_key: str
) -> Result:
    """Take back what a record proved: the session stays, without energy, and is decided once more.

    Of all the numbers of a credit none says what is left; a credit is for the whole record.
    """
    found = session.execute(
        select(_E.session_id).where(_E.source == charge.source, _E.reference == credited)
    ).first()
    if found is None:
        return Result("original_unknown", waits_for=original_key)
    view = session_view(session, found.session_id)
    taken = NewEvidence(
        session_id=view.id,
        level=max(EvidenceLevel.CDR, view.evidence_level),
        source=charge.source,
        reference=f"credit:{credited}",
        at=charge.told_at,
        body=charge.body,
        energy_wh=0,
        is_credit=True,
    )
    charging.attest(session, [taken], now)
    return Result("credited", view.driver_id, view.id)


def _attested(
    session: Session,
    charge: Charge,
    setting: _Setting,
    now: datetime,
    *,
    known: SessionView | None,
    outcome: str,
) -> Result:
    """Write the evidence of a charge that is over, about a session that is known or is made known by it."""
    ended_at = charge.ended_at
    if ended_at is None or ended_at > now + CLOCKS_DIFFER_BY or ended_at < charge.started_at:
        return Result("unusable_times", setting.driver_id)
    if known is None:
        new = _new_session(charge, setting, ended_at)
        ingest(session, [new], now)
        view = session_known_as(session, charge.source, charge.reference)
        return Result(outcome, setting.driver_id, None if view is None else view.id)
    evidence = NewEvidence(
        session_id=known.id,
        level=charge.level,
        source=charge.source,
        reference=charge.record,
        at=ended_at,
        body=charge.body,
        energy_wh=charge.energy_wh,
        started_at=charge.started_at,
        ended_at=ended_at,
        connector_id=setting.connector_id,
        price=charge.price,
    )
    try:
        if known.state is SessionState.OPEN:
            began_at = max(ended_at, known.started_at)
            charging.close(session, known.id, ended_at=began_at, energy_wh=charge.energy_wh)
        charging.attest(session, [evidence], now)
    except SessionInvalid:
        return Result("unusable_times", setting.driver_id, known.id)
    return Result(outcome, known.driver_id, known.id)


def _new_session(charge: Charge, setting: _Setting, ended_at: datetime) -> NewSession:
    return NewSession(
        source=charge.source,
        reference=charge.reference,
        driver_id=setting.driver_id,
        location_id=setting.location_id,
        connector_id=setting.connector_id,
        started_at=charge.started_at,
        ended_at=ended_at,
        energy_wh=charge.energy_wh,
        evidence_level=charge.level,
        evidence_reference=charge.record,
        body=charge.body,
        price=charge.price,
    )


def _setting(session: Session, charge: Charge) -> _Setting | Result:
    """Return who and where it is; a result where nobody of ours charged, or the place is not known yet."""
    driver_id = _driver_of(session, charge)
    if driver_id is None:
        return Result("not_ours")
    if charge.location is None:
        return Result("unplaced", driver_id, waits_for=charge.location_key)
    location_id = site_known_as(session, charge.source, charge.location)
    if location_id is None:
        return Result("location_unknown", driver_id, waits_for=charge.location_key)
    connector_id = None
    if charge.evse is not None and charge.connector is not None:
        plug = Plug(evse=charge.evse, connector=charge.connector, power_w_max=None)
        connector_id = plug_of(session, location_id, plug)
    return _Setting(driver_id, location_id, connector_id)


def _driver_of(session: Session, charge: Charge) -> UUID | None:
    token = token_with(session, charge.token_uid, charge.token_kind)
    return None if token is None else token.driver_id


def _known(session: Session, charge: Charge, linked: UUID | None) -> SessionView | None:
    own = session_known_as(session, charge.source, charge.reference)
    if own is not None or linked is None:
        return own
    return session_view(session, linked)


def _seen_elsewhere(session: Session, charge: Charge, setting: _Setting) -> SessionView | None:
    """Return the session that another source told of the same charge."""
    same = known_session(session, _sighting(charge, setting))
    return None if same is None else session_view(session, same)


def _sighting(charge: Charge, setting: _Setting) -> Sighting:
    return Sighting(
        driver_id=setting.driver_id,
        location_id=setting.location_id,
        started_at=charge.started_at,
        ended_at=charge.ended_at,
        told_as=(charge.source, charge.reference),
    )


def _other_record(session: Session, session_id: UUID, charge: Charge) -> str | None:
    """Return the record that settled a session already, if it was another one of this operator."""
    query = select(_E.reference).where(
        _E.session_id == session_id,
        _E.source == charge.source,
        _E.reference.startswith("cdr:"),
        _E.reference != charge.record,
    )
    return session.scalar(query.order_by(_E.received_at, _E.id).limit(1))


def _is_credited(session: Session, source: str, record: str) -> bool:
    query = select(_E.id).where(_E.source == source, _E.reference == f"credit:{record}")
    return session.scalar(query.limit(1)) is not None
