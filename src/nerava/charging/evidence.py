"""How well a charging session is proven, and the proven session that everything later rests on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
SECOND_US: Final = 1_000_000
PRICE_MINOR_MAX: Final = 10**9
"""The most minor units that a session can have cost; what is above was mistyped."""


class EvidenceLevel(IntEnum):
    """The ladder of evidence; a session stands on its best piece."""

    PRESENCE = 0
    """The phone says so: position, dwell, a code, a receipt. Forgeable, so it never earns alone."""

    PARTNER = 1
    """A partner says so."""

    TELEMETRY = 2
    """The vehicle's telemetry alone."""

    TELEMETRY_AND_CHARGER = 3
    """The vehicle's telemetry and the charger's status agree in place and time."""

    CDR = 4
    """The operator's charge detail record, contracted transaction or billing history."""

    SIGNED_CDR = 5
    """A charge detail record with valid signed meter values."""


class SessionPrice(NamedTuple):
    """What the operator asks for a session, in minor units of an ISO 4217 currency, in capitals.

    With tax where the source tells the tax, and otherwise the amount as it is told. What another
    company then bills the driver for it is not known here.
    """

    minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencedSession:
    """A closed charging session as its best evidence shows it: what verification and rules read.

    Attributes:
        source: Who told us, for example `ocpi:DE-ABC`; with `reference` unique.
        timezone: The IANA zone of the location; local rules are read in it.
        energy_wh: Delivered energy in watt-hours.
        power_w_max: What the connector can deliver, in watts; None where nobody knows.
        evidence_level: The best `EvidenceLevel` there is.
        latitude, longitude: Of the location, WGS 84; None where nobody knows.
        price: What the operator asks for it; None where nobody told.
        score: 0 to 100, from verification; 0 before it.
        under_review: Whether a person has yet to decide; then rewards are held, not given.
        evaluations: How many decisions about it exist already.
        duration_us: From start to end, in microseconds; 0 where the end does not lie after the
            start. Derived once, because every rule asks for it.
    """

    id: UUID
    source: str
    reference: str
    driver_id: UUID
    location_id: UUID
    connector_id: UUID | None
    timezone: str
    started_at: datetime
    ended_at: datetime
    energy_wh: int
    power_w_max: int | None
    evidence_level: int
    is_test: bool = False
    latitude: float | None = None
    longitude: float | None = None
    price: SessionPrice | None = None
    score: int = 0
    under_review: bool = False
    evaluations: int = 0
    duration_us: int = field(init=False)

    def __post_init__(self) -> None:
        """Derive the duration."""
        object.__setattr__(self, "duration_us", max(0, (self.ended_at - self.started_at) // MICROSECOND))

    def costing(self, price: SessionPrice | None) -> EvidencedSession:
        """Return the session with another price."""
        return self if price == self.price else replace(self, price=price)

    def judged(self, *, score: int, under_review: bool) -> EvidencedSession:
        """Return the session with what verification found."""
        return replace(self, score=score, under_review=under_review)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvidence:
    """A further piece of evidence about a session.

    Attributes:
        at: When it happened; `received_at` is when it is attested.
        energy_wh, started_at, ended_at: What it measured; None where it says nothing.
        price: What the session cost; None where it says nothing.
        connector_id: Where it was, for a session of which only the place is known.
        is_credit: Whether it takes back what a detail record of its own level said before.
    """

    session_id: UUID
    level: int
    source: str
    reference: str
    at: datetime
    body: Mapping[str, object]
    energy_wh: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    connector_id: UUID | None = None
    price: SessionPrice | None = None
    is_credit: bool = False

    def replaces(self, level: int, energy_wh: int, price: SessionPrice | None) -> bool:
        """Return whether it says more than evidence of this level, that measured so much and told this price.

        A credit counts at its own level too, from charge detail records on, and only downwards, in
        energy, in price or in both: so the same one again changes nothing.
        """
        if self.level > level:
            return True
        if not self.is_credit or self.level != level or level < EvidenceLevel.CDR:
            return False
        pairs = [(self.energy_wh, energy_wh)]
        if price is not None and self.price is not None:
            if self.price.currency != price.currency:
                return False
            pairs.append((self.price.minor, price.minor))
        told = [(new, old) for new, old in pairs if new is not None]
        return all(new <= old for new, old in told) and any(new < old for new, old in told)

    def price_after(self, level: int, price: SessionPrice | None) -> SessionPrice | None:
        """Return the price of a session of this level and price once this piece counts.

        A record that names none ends what a mere word named before; a credit of the whole session
        leaves nothing to pay.
        """
        if self.price is not None:
            return self.price
        if self.is_credit and self.energy_wh == 0:
            return None if price is None else SessionPrice(0, price.currency)
        return None if level < EvidenceLevel.CDR <= self.level else price


def body_sha256(body: Mapping[str, object]) -> str:
    """Return the checksum of what a source sent, in hexadecimal; it stays when the body is emptied.

    Taken over the body as JSON in UTF-8, keys sorted and no spaces, so whoever kept the message can
    show that it is the one that was judged.
    """
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
