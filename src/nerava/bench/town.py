"""A town for `nerava bench money`: drivers with Nova, merchants with tills, sessions that earn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from nerava.charging.ingest import NewLocation, NewSession, ingest, register_locations
from nerava.drivers import service as drivers
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.user_store import AppUser, UserState
from nerava.kernel.ids import new_id
from nerava.ledger.installing import install
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.merchants import offers
from nerava.merchants.offers import OfferKind, OfferTerms
from nerava.merchants.service import NewMerchant, NewSite, add_site, create_merchant, enrol_register
from nerava.rewards import campaigns
from nerava.rewards.rules import Fixed
from nerava.rewards.terms import CampaignTerms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.installation import Installation
    from nerava.ledger import Chain

BEGAN: Final = datetime(2020, 1, 1, tzinfo=UTC)
NEVER: Final = datetime(2100, 1, 1, tzinfo=UTC)
TIMEZONE: Final = "America/Chicago"
PRICE: Final = 300
FUNDS: Final = 100_000
POINTS: Final = 10
PROVIDER: Final = "bank"
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who calls from an address of their own."""

    token: str
    address: str


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant's offer, and who takes codes for it where."""

    offer_id: UUID
    register_id: UUID
    tills: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Town:
    """Who may be in a load. Every driver can show a code at every shop."""

    drivers: tuple[Person, ...]
    shops: tuple[Shop, ...]


def found_town(installation: Installation, *, drivers_count: int, shops_count: int, tills_count: int) -> Town:
    """Make a town; tokens are good for 15 minutes."""
    builder = _Builder(installation)
    installation.database.run(builder.open_house)
    shops = installation.database.run(
        lambda session: tuple(builder.shop(session, tills_count) for _ in range(shops_count))
    )
    ids = [one for start in range(0, drivers_count, CHUNK) for one in builder.register(start, drivers_count)]
    builder.must([promo_funding(funding_id=new_id(), sponsor_id=builder.sponsor, amount=FUNDS * len(ids))])
    gift = PromoKind.GOODWILL
    builder.must([promo_grant(kind=gift, reference_id=new_id(), driver_id=one, points=FUNDS) for one in ids])
    people = []
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        people += installation.database.run(
            lambda session, some=some: [builder.person(session, Role.DRIVER, one) for one in some]  # type: ignore[misc]
        )
    return Town(tuple(people), shops)


def open_campaign(installation: Installation, grants: int) -> UUID:
    """Let one campaign pay for so many grants, and return its id."""
    builder, now = _Builder(installation), installation.clock.now()
    installation.database.run(builder.open_house)
    terms = CampaignTerms(
        name="Ten points each",
        currency=installation.settings.money.currency,
        starts_at=BEGAN,
        ends_at=NEVER,
        fee_bps=0,
        rules=(Fixed(points=POINTS),),
    )

    def unit(session: Session) -> UUID:
        ledger = installation.ledger
        made = campaigns.create_campaign(session, ledger, builder.sponsor, terms, now)
        campaigns.fund_campaign(session, ledger, made, gross=POINTS * grants, funding_id=new_id(), now=now)
        campaigns.activate(session, made)
        return made

    return installation.database.run(unit)


def close_sessions(installation: Installation, count: int) -> None:
    """Take in so many sessions that are over and earn, a day apart for each of the drivers."""
    builder, now = _Builder(installation), installation.clock.now()
    ids = builder.register(0, CHUNK)
    source = f"bench:{new_id()}"
    place = NewLocation(source=source, reference="1", name="Garage", timezone=TIMEZONE)

    def session_of(number: int, location_id: UUID) -> NewSession:
        began = now - timedelta(days=1 + number // len(ids), seconds=number % len(ids))
        return NewSession(
            source=source,
            reference=str(number),
            driver_id=ids[number % len(ids)],
            location_id=location_id,
            connector_id=None,
            started_at=began,
            ended_at=began + timedelta(hours=1),
            energy_wh=10_000,
        )

    def unit(session: Session) -> None:
        location_id = register_locations(session, [place])[source, "1"]
        ingest(session, [session_of(number, location_id) for number in range(count)], now)

    installation.database.run(unit)


class _Builder:
    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._now = installation.clock.now()
        self._addresses = 0
        self.sponsor = UUID(int=0)

    def open_house(self, session: Session) -> None:
        """Install the house, with a sponsor who has deposited more than enough."""
        ledger, currency = self._installation.ledger, self._installation.settings.money.currency
        install(session, ledger, currency)
        self.sponsor = campaigns.create_sponsor(
            session, ledger, name="A sponsor", currency=currency, now=self._now
        )
        campaigns.deposit(
            session,
            ledger,
            self.sponsor,
            gross=10**10,
            provider=PROVIDER,
            checkout_id=f"bench:{self.sponsor}",
        )

    def shop(self, session: Session, tills: int) -> Shop:
        """Open a merchant with one offer, one register and people who work there."""
        now, currency = self._now, self._installation.settings.money.currency
        new = NewMerchant(name="Corner Coffee", currency=currency, timezone=TIMEZONE)
        merchant_id = create_merchant(session, self._installation.ledger, new, now)
        site_id = add_site(session, merchant_id, NewSite("Loop", "1 State St", 41.88, -87.63), now)
        register_id = enrol_register(session, merchant_id, site_id, "Till", now)
        terms = OfferTerms(kind=OfferKind.DISCOUNT, title="3.00 off", price_nova=PRICE, starts_at=BEGAN)
        offer_id = offers.draft(session, merchant_id, terms, now)
        offers.publish(session, merchant_id, offer_id)
        people = tuple(self.person(session, Role.MERCHANT_REGISTER, merchant_id) for _ in range(tills))
        return Shop(offer_id, register_id, people)

    def register(self, start: int, end: int) -> list[UUID]:
        """Make up to `CHUNK` drivers known; those who are known stay who they are."""
        references = [f"bench:{number}" for number in range(start, min(start + CHUNK, end))]
        ledger, now = self._installation.ledger, self._now
        known = self._installation.database.run(
            lambda session: drivers.register(session, ledger, references, now)
        )
        return list(known.values())

    def person(self, session: Session, role: Role, tenant_id: UUID) -> Person:
        """Sign somebody new in, with an account and a role."""
        subject, now = new_id(), self._now
        session.add(AppUser(id=subject, created_at=now, state=UserState.ACTIVE.value))
        grant_role(session, subject, Membership(role, tenant_id), granted_by="bench", now=now)
        token = self._installation.sessions.open_command(session, subject, role, now)
        self._addresses += 1
        return Person(token, f"10.{self._addresses >> 8 & 255}.{self._addresses & 255}.1")

    def must(self, chains: Sequence[Chain]) -> None:
        """Post chains, none of which may be refused."""
        refused = [one.status for one in self._installation.ledger.submit_many(chains) if not one.ok]
        if refused:
            message = f"{len(refused)} postings refused, the first as {refused[0]}"
            raise RuntimeError(message)
