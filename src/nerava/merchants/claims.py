"""A driver claims a perk while charging near it; the merchant owes the fee of the claim."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select

from nerava.charging.model import ChargingLocation, ChargingSession, SessionEvidence
from nerava.charging.states import SessionState
from nerava.kernel.geography import Point, metres_between
from nerava.ledger import Status
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.claim_fee import claim_fee
from nerava.merchants import stock
from nerava.merchants.errors import AlreadyClaimed, NotCharging, RedemptionRefused, TooFarAway
from nerava.merchants.model import MerchantSite, PerkClaim
from nerava.merchants.offers import OfferKind
from nerava.merchants.showing import refuse_if_off
from nerava.merchants.stock import Piece

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.merchants.board import OnOffer

_SESSION: Final[Any] = ChargingSession.__table__
_LOCATION: Final[Any] = ChargingLocation.__table__
_EVIDENCE: Final[Any] = SessionEvidence.__table__
_SITE: Final[Any] = MerchantSite.__table__
_CLAIM: Final[Any] = PerkClaim.__table__


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """How near and how lately somebody must be charging to claim a perk.

    Attributes:
        distance_m_max: Metres between charger and place, as the crow flies.
        fresh_for: Age of the session's latest evidence, or of its start where that is later.
    """

    distance_m_max: int = 800
    fresh_for: timedelta = timedelta(minutes=15)


class Claimed(NamedTuple):
    """A claim that was made: where, for which session, and what it costs the merchant in minor units."""

    claim_id: UUID
    site_id: UUID
    session_id: UUID
    distance_m: int
    fee_minor: int


class _Place(NamedTuple):
    session_id: UUID
    point: Point


def claim(
    session: Session,
    ledger: Ledger,
    on_offer: OnOffer,
    *,
    claim_id: UUID,
    driver_id: UUID,
    rules: ClaimRules,
    now: datetime,
) -> Claimed:
    """Claim a perk for a driver, in the caller's unit of work; once in each charging session.

    Raises:
        OfferNotAvailable: It is no perk, or not on now (409).
        NotCharging: The driver has no open session with fresh evidence (409).
        TooFarAway: No place of the offer is near enough to the charger (409).
        AlreadyClaimed: It was claimed in this session (409).
        SoldOut: The stock of the day is taken (409).
    """
    refuse_if_off(on_offer, OfferKind.PERK, now)
    found = on_offer.offer
    here = _charging_at(session, driver_id, now - rules.fresh_for)
    site_id, distance_m = _nearest(session, on_offer, here.point)
    if distance_m > rules.distance_m_max:
        raise TooFarAway(f"you charge {distance_m} m away; it is at most {rules.distance_m_max} m")
    known = select(_CLAIM.c.id).where(_CLAIM.c.offer_id == found.id, _CLAIM.c.session_id == here.session_id)
    if session.scalar(known) is not None:
        raise AlreadyClaimed
    stock.take(session, [Piece(found.id, on_offer.merchant.local_date(now), found.terms.daily_stock)])
    fee = found.claim_fee_minor or 0
    made = Claimed(claim_id, site_id, here.session_id, distance_m, fee)
    key = _charge(session, ledger, on_offer, made, actor=f"driver:{driver_id}") if fee else None
    # Two at once: the second fails on the one claim a session, is run again, and finds the first.
    session.execute(
        insert(_CLAIM).values(
            id=claim_id,
            offer_id=found.id,
            merchant_id=found.merchant_id,
            site_id=site_id,
            driver_id=driver_id,
            session_id=here.session_id,
            fee_minor=fee,
            transaction_key=key,
            claimed_at=now,
        )
    )
    return made


def _charge(session: Session, ledger: Ledger, on_offer: OnOffer, made: Claimed, *, actor: str) -> UUID:
    chain = claim_fee(
        claim_id=made.claim_id, merchant_id=on_offer.merchant.id, fee=made.fee_minor, actor=actor
    )
    verdict = ledger.post(session, chain)
    if verdict.status is Status.SWITCHED_OFF:
        raise SwitchedOff
    if verdict.status is not Status.POSTED:
        raise RedemptionRefused(f"the ledger said {verdict.status}", status=verdict.status)
    return chain.key


def _charging_at(session: Session, driver_id: UUID, since: datetime) -> _Place:
    """Return where a driver is charging, if the latest sign of it is not older than `since`."""
    latest = select(func.max(_EVIDENCE.c.at)).where(_EVIDENCE.c.session_id == _SESSION.c.id).scalar_subquery()
    query = (
        select(
            _SESSION.c.id,
            _SESSION.c.started_at,
            latest.label("evidence_at"),
            _LOCATION.c.latitude,
            _LOCATION.c.longitude,
        )
        .join(_LOCATION, _LOCATION.c.id == _SESSION.c.location_id)
        .where(_SESSION.c.driver_id == driver_id, _SESSION.c.state == SessionState.OPEN.value)
    )
    row = session.execute(query).one_or_none()
    if row is None or row.latitude is None:
        raise NotCharging
    if max(row.started_at, row.evidence_at or row.started_at) < since:
        raise NotCharging("nothing was heard of your session lately")
    return _Place(row.id, Point(row.latitude, row.longitude))


def _nearest(session: Session, on_offer: OnOffer, point: Point) -> tuple[UUID, int]:
    query = select(_SITE.c.id, _SITE.c.latitude, _SITE.c.longitude).where(
        _SITE.c.merchant_id == on_offer.merchant.id
    )
    if on_offer.offer.terms.site_id is not None:
        query = query.where(_SITE.c.id == on_offer.offer.terms.site_id)
    away = [
        (metres_between(point, Point(row.latitude, row.longitude)), row.id) for row in session.execute(query)
    ]
    if not away:
        raise TooFarAway("the merchant has no place yet")
    distance_m, site_id = min(away)
    return site_id, distance_m
