"""Partners send charging sessions; the background evaluation decides what they earn."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from nerava.charging import ingest
from nerava.charging.errors import LocationInvalid, SessionInvalid
from nerava.charging.evidence import EvidenceLevel, NewEvidence, SessionPrice
from nerava.charging.lookup import session_known_as
from nerava.charging.queries import SessionView
from nerava.charging.service import attest
from nerava.charging.states import SessionState
from nerava.drivers import service as drivers
from nerava.identity.guard import TenantId
from nerava.kernel.errors import NeravaError
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import require_off
from nerava.platform.idempotency import Answer
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.fields import Body, Currency, EnergyWh, Instant, Name, PriceMinor, Reference
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.web.api.wiring import Wiring

routes: Final = router("partner")

CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)
"""How far ahead of ours a partner's clock may be."""


class SessionDiffers(NeravaError):
    """The reference belongs to a session of another time, energy or price.

    A record that says more has a reference of its own, and comes after a credit of all that the first said.
    """

    code = "session-differs"
    status = HTTPStatus.CONFLICT
    title = "The reference belongs to another session"


class LocationIn(Body):
    """Where it took place. What is known by its reference already stays as it is."""

    reference: Reference
    name: Name
    timezone: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+-]{1,30}(/[A-Za-z0-9_+-]{1,30}){0,2}$")] = Field(
        examples=["America/Chicago"]
    )
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)] | None = None
    evse: Reference = "1"
    connector: Reference = "1"
    power_w_max: Annotated[int, Field(strict=True, gt=0, le=10_000_000)] | None = None


class PartnerSessionIn(Body):
    """A charging session that is over."""

    reference: Reference = Field(description="Your name for the session; it counts once")
    driver_reference: Reference = Field(description="Your opaque name for the driver; no personal data")
    location: LocationIn
    started_at: Instant
    ended_at: Instant
    energy_wh: EnergyWh
    price_minor: PriceMinor | None = Field(
        default=None,
        description="What the driver is charged for it, tax included, in minor units of `currency`; "
        "campaigns may give a share of it. Absent where you cannot say",
    )
    currency: Currency | None = Field(default=None, description="Of the price", examples=["USD"])

    @property
    def price(self) -> SessionPrice | None:
        """Return the price, if there is one."""
        if self.price_minor is None or self.currency is None:
            return None
        return SessionPrice(self.price_minor, self.currency)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.ended_at <= self.started_at:
            message = "a session ends after it starts"
            raise ValueError(message)
        if (self.location.latitude is None) != (self.location.longitude is None):
            message = "send both coordinates or none"
            raise ValueError(message)
        if (self.price_minor is None) != (self.currency is None):
            message = "a price has its currency: send both or none"
            raise ValueError(message)
        return self


class CdrIn(PartnerSessionIn):
    """A charge detail record; with a reference of its own, the credit of one that was sent before."""

    credit_reference: Reference | None = Field(
        default=None,
        description="Your name for the credit: `energy_wh` and `price_minor` are what is left of it, and "
        "what that did not earn is taken back. Neither can grow",
    )


class PartnerSessionOut(BaseModel):
    """What became of a session so far. `closed` means that it waits for its evaluation."""

    session_id: UUID
    driver_id: UUID
    reference: str
    state: SessionState
    evidence_level: int


_PROBLEMS: Final = problems(SessionDiffers, SessionInvalid, LocationInvalid, SwitchedOff)


@routes.post(
    "/partner/sessions",
    summary="Send a session that is over",
    status_code=HTTPStatus.CREATED,
    response_model=PartnerSessionOut,
    responses=_PROBLEMS,
)
@guarded(Policy(roles=("partner",), scope="sessions:write", repeats=Repeats.KEY_ACCEPTED))
def send_session(
    body: PartnerSessionIn, partner_id: TenantId, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Store a session on your word alone: what it earns is held until better evidence comes."""
    return run_once(wired, request, lambda session: _taken_in(session, wired, partner_id, body, now), now=now)


@routes.post(
    "/partner/cdrs",
    summary="Send a charge detail record",
    status_code=HTTPStatus.CREATED,
    response_model=PartnerSessionOut,
    responses=_PROBLEMS,
)
@guarded(Policy(roles=("partner",), scope="cdrs:write", repeats=Repeats.KEY_ACCEPTED))
def send_cdr(body: CdrIn, partner_id: TenantId, request: Keyed, wired: Wired, now: Now) -> Response:
    """Store the charge detail record of a session, sent before or not: what it proves is given for good."""
    return run_once(wired, request, lambda session: _recorded(session, wired, partner_id, body, now), now=now)


def _taken_in(
    session: Session, wired: Wiring, partner_id: UUID, body: PartnerSessionIn, now: datetime
) -> Answer:
    require_off(session, f"partner:{partner_id}")
    known = session_known_as(session, source_of(partner_id), body.reference)
    if known is None:
        return _shown(_ingested(session, wired, partner_id, body, level=EvidenceLevel.PARTNER, now=now))
    if known.evidence_level == EvidenceLevel.PARTNER and _differ(known, body):
        raise SessionDiffers
    return _shown(known)


def _recorded(session: Session, wired: Wiring, partner_id: UUID, body: CdrIn, now: datetime) -> Answer:
    require_off(session, f"partner:{partner_id}")
    source = source_of(partner_id)
    known = session_known_as(session, source, body.reference)
    if known is None:
        return _shown(_ingested(session, wired, partner_id, body, level=EvidenceLevel.CDR, now=now))
    if known.evidence_level >= EvidenceLevel.CDR:
        if _differ(known, body) and not _credited(session, source, known, body, now):
            raise SessionDiffers
        return _shown(_known(session, source, body.reference))
    cdr = NewEvidence(
        session_id=known.id,
        level=EvidenceLevel.CDR,
        source=source,
        reference=body.reference,
        at=body.ended_at,
        body=body.model_dump(mode="json"),
        energy_wh=body.energy_wh,
        started_at=body.started_at,
        ended_at=body.ended_at,
        price=body.price,
    )
    attest(session, [cdr], now)
    return _shown(_known(session, source, body.reference))


def _credited(session: Session, source: str, known: SessionView, body: CdrIn, now: datetime) -> bool:
    """Take in a credit, and return whether it says less than what is known."""
    if body.credit_reference is None:
        return False
    if known.price is not None and body.price is None and body.energy_wh > 0:
        raise SessionInvalid("the record told a price: the credit has to tell what is left of it")
    credit = NewEvidence(
        session_id=known.id,
        level=known.evidence_level,
        source=source,
        reference=body.credit_reference,
        at=now,
        body=body.model_dump(mode="json"),
        energy_wh=body.energy_wh,
        price=body.price,
        is_credit=True,
    )
    return attest(session, [credit], now) == 1


def _ingested(
    session: Session,
    wired: Wiring,
    partner_id: UUID,
    body: PartnerSessionIn,
    *,
    level: EvidenceLevel,
    now: datetime,
) -> SessionView:
    if body.ended_at > now + CLOCKS_DIFFER_BY:
        raise SessionInvalid("the session ends in the future")
    source, place = source_of(partner_id), body.location
    location = ingest.NewLocation(
        source=source,
        reference=place.reference,
        name=place.name,
        timezone=place.timezone,
        latitude=place.latitude,
        longitude=place.longitude,
    )
    location_id = ingest.register_locations(session, [location])[source, place.reference]
    connector = ingest.NewConnector(
        location_id=location_id, evse=place.evse, reference=place.connector, power_w_max=place.power_w_max
    )
    connectors = ingest.register_connectors(session, [connector])
    driver = f"{source}:{body.driver_reference}"
    new = ingest.NewSession(
        source=source,
        reference=body.reference,
        driver_id=drivers.register(session, wired.ledger, [driver], now)[driver],
        location_id=location_id,
        connector_id=connectors[location_id, place.evse, place.connector],
        started_at=body.started_at,
        ended_at=body.ended_at,
        energy_wh=body.energy_wh,
        evidence_level=level,
        body=body.model_dump(mode="json"),
        price=body.price,
    )
    ingest.ingest(session, [new], now)
    return _known(session, source, body.reference)


def source_of(partner_id: UUID) -> str:
    """Return how sessions, locations and drivers of a partner are told from those of others."""
    return f"partner:{partner_id}"


def _known(session: Session, source: str, reference: str) -> SessionView:
    found = session_known_as(session, source, reference)
    if found is None:
        raise AssertionError("what was just stored is known")
    return found


def _differ(known: SessionView, told: PartnerSessionIn) -> bool:
    """Return whether two tell different things; who names no price says nothing of it."""
    measured = known.started_at, known.ended_at, known.energy_wh
    if measured != (told.started_at, told.ended_at, told.energy_wh):
        return True
    return told.price is not None and told.price != known.price


def _shown(found: SessionView) -> Answer:
    shown = PartnerSessionOut(
        session_id=found.id,
        driver_id=found.driver_id,
        reference=found.reference,
        state=found.state,
        evidence_level=found.evidence_level,
    )
    return Answer.of(shown, HTTPStatus.CREATED)
