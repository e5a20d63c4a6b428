"""Running simulators with a clock that stands still, and somebody who calls them over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from nerava.kernel.clock import FixedClock
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators

MONDAY = datetime(2026, 11, 2, 12, tzinfo=UTC)


@dataclass
class Caller:
    """Somebody who calls the simulated Stripe as its documentation says."""

    simulators: Simulators
    http: httpx2.Client

    def post(
        self, path: str, *, key: str | None = None, account: str | None = None, **form: Any
    ) -> httpx2.Response:
        """Send a form; names with brackets come in the mapping `form`."""
        return self.http.post(path, data=form.pop("form", {}) | form, headers=_headers(key, account))

    def get(self, path: str, *, account: str | None = None, **query: Any) -> httpx2.Response:
        """Read."""
        return self.http.get(path, params=query.pop("query", {}) | query, headers=_headers(None, account))

    def recipient(self) -> str:
        """Return a verified account that is paid out by hand only."""
        made = self.post(
            "/v1/accounts",
            form={
                "type": "express",
                "capabilities[transfers][requested]": "true",
                "settings[payouts][schedule][interval]": "manual",
            },
        ).json()["id"]
        self.simulators.stripe.verify(made)
        return str(made)

    def checkout(self, amount: int = 100_000, currency: str = "usd") -> Any:
        """Return a checkout session."""
        line = "line_items[0]"
        answer = self.post(
            "/v1/checkout/sessions",
            form={
                "mode": "payment",
                "client_reference_id": "funding-1",
                "success_url": "http://127.0.0.1/thanks?session={CHECKOUT_SESSION_ID}",
                "cancel_url": "http://127.0.0.1/back",
                "payment_intent_data[metadata][funding]": "funding-1",
                f"{line}[price_data][currency]": currency,
                f"{line}[price_data][unit_amount]": str(amount),
                f"{line}[price_data][product_data][name]": "Campaign",
                f"{line}[quantity]": "1",
            },
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def paid(self, amount: int = 100_000) -> str:
        """Return the payment intent of a checkout that was paid by card."""
        session = self.simulators.stripe.pay_checkout(self.checkout(amount)["id"])
        return str(session["payment_intent"])

    def transfer(self, to: str, amount: int = 5_000, key: str | None = None) -> httpx2.Response:
        """Send money to an account."""
        form = {"amount": str(amount), "currency": "usd", "destination": to, "transfer_group": "payout-1"}
        return self.post("/v1/transfers", key=key, form=form)


def _headers(key: str | None, account: str | None) -> dict[str, str]:
    given = {"idempotency-key": key, "stripe-account": account}
    return {name: value for name, value in given.items() if value is not None}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(MONDAY)


@pytest.fixture
def simulators(clock: FixedClock) -> Iterator[Simulators]:
    with running_simulators(seed=7, clock=clock) as running:
        yield running


@pytest.fixture
def stripe(simulators: Simulators) -> Iterator[Caller]:
    headers = {"authorization": f"Bearer {simulators.stripe.key}"}
    with httpx2.Client(base_url=simulators.url_of("stripe"), headers=headers, timeout=5) as http:
        yield Caller(simulators, http)


@pytest.fixture
def funded(stripe: Caller) -> Caller:
    """The same caller, with 1,000.00 USD that can be sent."""
    stripe.simulators.stripe.deposit(100_000)
    return stripe
