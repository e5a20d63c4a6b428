"""A merchant that is open for business over HTTP: its people, its till, its offers, and drivers with Nova."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nerava.charging import service as charging
from nerava.charging.ingest import NewLocation, register_locations
from nerava.charging.service import SessionStart
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.ledger.chart import driver_nova, merchant_nova
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.settlements.closing import Closing
from tests.http.flows import fill_promo

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.http.conftest import Caller, House

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CAPTURE = "/v1/merchant/redemptions/capture"


@dataclass
class Shop:
    """A merchant with one place and one register.

    Attributes:
        till: Somebody with the role of a register.
    """

    house: House
    merchant_id: UUID
    owner: Caller
    manager: Caller
    till: Caller
    site_id: str
    register_id: str

    def register(self) -> str:
        """Enrol another register and return its id."""
        made = self.manager.post("/v1/merchant/registers", {"name": "Till", "site_id": self.site_id})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def draft(self, **changes: object) -> str:
        """Draft an offer of 300 Nova and return its id."""
        body = {"kind": "discount", "title": "3.00 off", "price_nova": 300, "starts_at": BEGAN.isoformat()}
        made = self.manager.post("/v1/merchant/offers", body | changes)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def offer(self, **changes: object) -> str:
        """Publish an offer of 300 Nova and return its id."""
        offer_id = self.draft(**changes)
        published = self.manager.post(f"/v1/merchant/offers/{offer_id}/publish")
        assert published.json()["state"] == "live", published.text
        return offer_id

    def perk(self, **changes: object) -> str:
        """Publish a perk and return its id."""
        return self.offer(kind="perk", title="A free coffee", price_nova=None, **changes)

    def capture(
        self, code: str, *, register_id: str | None = None, key: str | None = None, **more: object
    ) -> Any:
        """Take a code at a register of the shop."""
        body = {"code": code, "register_id": register_id or self.register_id} | more
        return self.till.post(CAPTURE, body, key=key or str(new_id()))

    @property
    def points(self) -> int:
        """What the merchant took and has not settled."""
        return self.house.books.posted(merchant_nova(self.merchant_id))[0]


def open_shop(house: House, *, latitude: float = 41.88, longitude: float = -87.63, **changes: object) -> Shop:
    """Open a merchant in Chicago."""
    body = {"name": "Corner Coffee", "timezone": "America/Chicago"} | changes
    made = house.caller(Role.OPS_ADMIN).post("/v1/ops/merchants", body)
    assert made.status_code == 201, made.text
    merchant_id = UUID(made.json()["id"])
    owner = house.caller(Role.MERCHANT_OWNER, merchant_id)
    manager = house.caller(Role.MERCHANT_MANAGER, merchant_id)
    place = {"name": "Loop", "address": "1 State St", "latitude": latitude, "longitude": longitude}
    site = manager.post("/v1/merchant/sites", place)
    assert site.status_code == 201, site.text
    till = house.caller(Role.MERCHANT_REGISTER, merchant_id)
    shop = Shop(house, merchant_id, owner, manager, till, str(site.json()["id"]), "")
    shop.register_id = shop.register()
    return shop


def rich_driver(house: House, points: int = 1_000) -> Caller:
    """Return a driver who was given so many Nova."""
    driver = house.driver()
    fill_promo(house, points)
    gift = promo_grant(
        kind=PromoKind.GOODWILL, reference_id=new_id(), driver_id=driver.tenant_id, points=points
    )
    house.books.must(gift)
    return driver


def charging_at(
    house: House, driver: Caller, latitude: float | None, longitude: float | None, *, minutes_ago: int = 1
) -> UUID:
    """Let a driver's car charge at a place since some minutes, and return the session."""
    now = house.installation.clock.now()
    reference = str(new_id())
    location = NewLocation(
        source="test",
        reference=reference,
        name="Garage",
        timezone="America/Chicago",
        latitude=latitude,
        longitude=longitude,
    )

    def unit(session: Session) -> UUID:
        known = register_locations(session, [location])
        start = SessionStart(
            source="test",
            reference=reference,
            driver_id=driver.tenant_id,
            location_id=known["test", reference],
            connector_id=None,
            started_at=now - timedelta(minutes=minutes_ago),
        )
        return charging.start(session, start, now)

    return house.installation.database.run(unit)


def show(driver: Caller, offer_id: str, key: str | None = None) -> Any:
    """Ask for a code."""
    return driver.post(f"/v1/offers/{offer_id}/redemptions", key=key or str(new_id()))


def code_of(driver: Caller, offer_id: str) -> str:
    """Return a new code."""
    answer = show(driver, offer_id)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["code"])


def settle_now(house: House) -> None:
    """Close the period under way, as if 40 days had passed."""
    closing = Closing(house.installation.database, house.installation.ledger)
    closing.run(house.installation.clock.now() + timedelta(days=40))


def nova_of(house: House, driver: Caller) -> tuple[int, int]:
    """Return what a driver has, and what of it is free to spend."""
    balance = house.books.balance(driver_nova(driver.tenant_id))
    return balance.posted, balance.available
