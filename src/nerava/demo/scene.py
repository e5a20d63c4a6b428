"""What has to be there before one can try things: a sponsor who paid, merchants, a driver who can be paid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nerava.identity.contacts import Channel, read_contact
from nerava.identity.messages import contact_index
from nerava.identity.user_store import AppUser, UserState, contacts_of
from nerava.installation import jobs_of, payouts_of
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import fact_id
from nerava.merchants import offers
from nerava.merchants.offers import OfferKind, OfferTerms
from nerava.merchants.service import (
    NewMerchant,
    NewSite,
    add_site,
    create_merchant,
    enrol_register,
    merchants,
    registers,
)
from nerava.payouts.methods import methods_of
from nerava.payouts.states import MethodState, OwnerKind
from nerava.rewards.checkout_store import CheckoutState
from nerava.rewards.checkouts import Asked, ask, checkouts_of, hint_of_checkout
from nerava.worker import PROVIDERS, BackgroundWork

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.installation import Installation
    from nerava.rewards.checkout_store import SponsorCheckout
    from nerava.simulators.handle import Simulators

PAID_MINOR: Final = 500_00
_LONG_AGO: Final = timedelta(days=30)
_METHOD_AGE: Final = timedelta(days=5)
"""Older than the days for which a new method has to wait."""

_STEPS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class _Stall:
    """A merchant, the place, and the offer: a title and a price in Nova."""

    name: str
    address: str
    latitude: float
    longitude: float
    title: str
    price: int


_STALLS: Final = (
    _Stall("Copper Kettle (invented)", "1 Orange Grove Walk", 34.1391, -118.1236, "A coffee", 40),
    _Stall("Paper Lantern Noodles (invented)", "2 Orange Grove Walk", 34.1362, -118.1277, "2.00 off", 200),
    _Stall("Second Chapter Books (invented)", "3 Arroyo Lane", 34.2003, -118.1730, "1.00 off", 100),
)
"""Within a walk of the two sites where the recorded cars charged."""

_STALLS_IN_THE_CITY: Final = (
    replace(_STALLS[0], address="Mikonkatu 1", latitude=60.1690, longitude=24.9475),
    replace(_STALLS[1], address="Elielinaukio 3", latitude=60.1722, longitude=24.9400),
    replace(_STALLS[2], address="Keskuskatu 2", latitude=60.1683, longitude=24.9421),
)
"""The same in central Helsinki, where the recorded sessions are settled if its map can be fetched."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Whom and what one can try things with.

    Attributes:
        place: Latitude and longitude of the merchant of the coffee.
    """

    sponsor_id: UUID
    driver_id: UUID
    merchant_id: UUID
    register_id: UUID
    coffee_id: UUID
    method_id: UUID
    place: tuple[float, float]


def staged(
    installation: Installation,
    simulators: Simulators,
    *,
    sponsor_id: UUID,
    driver_id: UUID,
    in_city: bool = False,
) -> Scene:
    """Make everything ready that is not yet, in the city or in California, and return it. Repeats safely."""
    database = installation.database
    now = installation.clock.now()
    _let_pay(installation, simulators, sponsor_id)
    stalls, zone = (_STALLS_IN_THE_CITY, "Europe/Helsinki") if in_city else (_STALLS, "America/Los_Angeles")
    merchant_id = database.run(lambda session: _open_stalls(session, installation, stalls, zone, now))
    database.run(lambda session: _settle_in(session, installation, driver_id, now - _LONG_AGO))
    method_id = _ready_method(installation, simulators, driver_id)

    def look(session: Session) -> Scene:
        [offer, *_] = offers.offers_of(session, merchant_id)
        [register, *_] = registers(session, merchant_id)
        place = stalls[0].latitude, stalls[0].longitude
        return Scene(sponsor_id, driver_id, merchant_id, register.id, offer.id, method_id, place)

    return database.read(look)


def _let_pay(installation: Installation, simulators: Simulators, sponsor_id: UUID) -> None:
    """Have the sponsor pay by card, so that there is money at the provider to pay people with."""
    database, now = installation.database, installation.clock.now()

    def newest(session: Session) -> SponsorCheckout | None:
        return next(iter(checkouts_of(session, sponsor_id, after=None, limit=1)), None)

    if database.read(newest) is None and installation.stripe is not None:
        provider, wish = installation.stripe.payments, Asked(sponsor_id, PAID_MINOR)
        database.run(lambda session: ask(session, provider, wish, now))
    work = [job for job in jobs_of(installation) if job.share == PROVIDERS]
    background = BackgroundWork(work, installation.clock, installation.settings.worker)
    for _ in range(_STEPS_MAX):
        paid = database.read(newest)
        if paid is None or paid.state not in {CheckoutState.ASKED, CheckoutState.OPEN}:
            return
        if paid.checkout is not None:
            _pay(simulators, paid.checkout)
            hint_of_checkout(database)(paid.checkout, installation.clock.now())
        background.round()


def _pay(simulators: Simulators, checkout: str) -> None:
    page = next((one for one in simulators.stripe.objects("checkout.session") if one["id"] == checkout), None)
    if page is not None and page["status"] == "open":
        simulators.stripe.pay_checkout(checkout)


def _open_stalls(
    session: Session, installation: Installation, stalls: Sequence[_Stall], zone: str, now: datetime
) -> UUID:
    """Open the merchants that are not open yet and return the one with the coffee."""
    known = {one.name: one.id for one in merchants(session, limit=200)}
    for stall in stalls:
        if stall.name in known:
            continue
        currency = installation.settings.money.currency
        new = NewMerchant(name=stall.name, currency=currency, timezone=zone)
        known[stall.name] = merchant_id = create_merchant(session, installation.ledger, new, now)
        place = NewSite(stall.name, stall.address, stall.latitude, stall.longitude)
        site_id = add_site(session, merchant_id, place, now)
        enrol_register(session, merchant_id, site_id, "Till 1", now)
        terms = OfferTerms(
            kind=OfferKind.DISCOUNT, title=stall.title, price_nova=stall.price, starts_at=now - _LONG_AGO
        )
        offer_id = offers.draft(session, merchant_id, terms, now)
        offers.publish(session, merchant_id, offer_id)
    return known[stalls[0].name]


def _settle_in(session: Session, installation: Installation, driver_id: UUID, since: datetime) -> None:
    """Give the driver an account with a contact, as somebody has who signed up a month ago."""
    if contacts_of(session, driver_id):
        return
    session.add(AppUser(id=driver_id, created_at=since, state=UserState.ACTIVE.value))
    session.flush()
    contact = read_contact(Channel.EMAIL, f"driver-{driver_id}@demo.example")
    index = contact_index(installation.desk.vault, contact)
    installation.desk.admission.keep_contact(
        session, driver_id, contact, index, since, contact_id=fact_id(f"demo:contact:{driver_id}")
    )


def _ready_method(installation: Installation, simulators: Simulators, driver_id: UUID) -> UUID:
    """Return a payout method that has been ready for some days."""

    def find(session: Session) -> UUID | None:
        found = methods_of(session, OwnerKind.DRIVER, driver_id)
        return next((one.id for one in found if one.state == MethodState.READY), None)

    known = installation.database.read(find)
    if known is not None:
        return known
    earlier = installation.clock.now() - _METHOD_AGE
    methods = payouts_of(replace(installation, clock=FixedClock(earlier))).methods
    opened = methods.open(OwnerKind.DRIVER, driver_id, return_url="https://nerava.example/payout-methods")
    simulators.stripe.verify(opened.method.account or "")
    methods.look(earlier + timedelta(minutes=1))
    return opened.method.id
