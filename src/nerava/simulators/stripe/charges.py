"""Charges, as they are read; payment intents make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.lists import created_within, equal, page
from nerava.simulators.stripe.problems import not_found
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json


def _find(stripe: StripeCore, asked: Asked) -> Json:
    wanted = asked.ids["id"]
    found = stripe.state.find("charge", wanted, asked.account) or stripe.state.find(
        "payment", wanted, asked.account
    )
    if found is None:
        raise not_found("charge", wanted)
    return found


def _list(stripe: StripeCore, asked: Asked) -> Json:
    state = stripe.state
    both = [*state.newest("charge", asked.account), *state.newest("payment", asked.account)]
    newest = sorted(both, key=lambda row: -int(row["created"]))
    found = equal(asked, created_within(asked, newest), "payment_intent", "transfer_group", "customer")
    return page(asked, found, "/v1/charges")


ROUTES: Final = (
    route("GET", "/v1/charges/{id}", _find),
    route(
        "GET",
        "/v1/charges",
        _list,
        "limit starting_after ending_before created payment_intent transfer_group customer",
    ),
)
