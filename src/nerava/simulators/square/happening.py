"""What happens at Square without a call of its API: people ring up orders, pay, and take things back."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from nerava.simulators.errors import NoSuchThing
from nerava.simulators.moments import ByHand, lets_happen
from nerava.simulators.square import oauth, orders, payments
from nerava.simulators.square.state import Seller

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from nerava.simulators.square.core import SquareCore
    from nerava.simulators.wire import Json


class SquareByHand(ByHand):
    """What a test holds of the simulated Square. Methods let one thing happen and return what it is about."""

    def __init__(self, square: SquareCore, moment: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(moment)
        self._square = square

    @property
    def application(self) -> str:
        """The id of our application; drawn anew by every reset."""
        return self._square.state.application

    @property
    def application_secret(self) -> str:
        """The secret of our application."""
        return self._square.state.secret

    @lets_happen
    def add_seller(self, name: str = "Corner Café", currency: str = "USD") -> Json:
        """Let somebody sell; returns `merchant_id`, `location_id`, and what the token call returns."""
        square = self._square
        merchant, location = f"ML{square.new_id(11)}".upper(), f"L{square.new_id(12)}".upper()
        place = {
            "id": location,
            "name": name,
            "merchant_id": merchant,
            "status": "ACTIVE",
            "country": "US",
            "currency": currency,
            "timezone": "America/Chicago",
            "capabilities": ["CREDIT_CARD_PROCESSING"],
            "address": {"country": "US"},
            "created_at": square.now_text(),
            "type": "PHYSICAL",
        }
        square.state.sellers[merchant] = Seller(merchant, name, currency, {location: place})
        return {"merchant_id": merchant, "location_id": location, **oauth.new_token(square, merchant)}

    @lets_happen
    def agree(self, merchant: str) -> Json:
        """Let a seller agree on the consent page; returns the `code` that it hands over."""
        return {"code": oauth.new_code(self._square, self._square.seller_of(merchant).id)}

    @lets_happen
    def ring_up(
        self,
        merchant: str,
        lines: Sequence[tuple[str, int, str]] = (("Coffee", 450, "1"),),
        *,
        location: str | None = None,
        reference_id: str | None = None,
        tax: int = 0,
        by_api: bool = False,
        visible_after_s: int = 0,
        lines_after_s: int = 0,
    ) -> Json:
        """Ring up an order of lines `(name, price in minor units, quantity as text)`."""
        place = location or next(iter(self._square.seller_of(merchant).locations))
        wanted = orders.RungUp(
            merchant,
            place,
            tuple(orders.Line(name, price, quantity) for name, price, quantity in lines),
            reference_id,
            tax=tax,
            by_api=by_api,
            visible_after_s=visible_after_s,
            lines_after_s=lines_after_s,
        )
        return orders.ring_up(self._square, wanted)

    @lets_happen
    def pay(self, order: str, *, tip: int = 0, captured: bool = True, declined: bool = False) -> Json:
        """Pay an order; without `captured` the payment is approved and is canceled after 36 hours."""
        found = self._find(self._square.state.orders, order)
        return payments.pay(self._square, found, payments.Paying(None, tip, captured, declined))

    @lets_happen
    def capture(self, payment: str) -> Json:
        """Take the money of a payment that was approved."""
        found = self._find(self._square.state.payments, payment)
        payments.capture(self._square, found)
        return found

    @lets_happen
    def cancel(self, payment: str) -> Json:
        """Let a payment that was approved lapse."""
        found = self._find(self._square.state.payments, payment)
        payments.cancel(self._square, found)
        return found

    @lets_happen
    def refund(self, payment: str, amount: int) -> Json:
        """Give a part of a payment back, or all of it; it is through after a second."""
        found = self._find(self._square.state.payments, payment)
        return payments.refund(self._square, found, amount, "by hand")

    @lets_happen
    def tell_again(self, order: str, times: int = 1) -> Json:
        """Tell of an order several times, as new events about one version."""
        found = self._find(self._square.state.orders, order)
        for _ in range(times):
            orders.tell_order(self._square, found, "updated")
        return found

    @lets_happen
    def revoke(self, merchant: str) -> Json:
        """Let a seller end our access."""
        self._square.seller_of(merchant)
        oauth.revoke(self._square, merchant)
        return {"merchant_id": merchant}

    def orders(self) -> list[Json]:
        """Return copies of all orders, oldest first."""
        with self.moment():
            return copy.deepcopy(list(self._square.state.orders.values()))

    def _find(self, table: dict[str, Json], wanted: str) -> Json:
        if wanted not in table:
            raise NoSuchThing(f"there is nothing with the id {wanted}")
        return table[wanted]
