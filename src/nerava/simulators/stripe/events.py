"""The list of events of the last 30 days, for whoever missed a webhook."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.balance import DAY_S
from nerava.simulators.stripe.lists import created_within, equal, page
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

KEPT_S: Final = 30 * DAY_S


def _list(stripe: StripeCore, asked: Asked) -> Json:
    since = stripe.now_s() - KEPT_S
    rows = (row for row in stripe.state.newest("event", asked.account) if row["created"] >= since)
    found = equal(asked, created_within(asked, rows))
    kinds = asked.texts("types") or ([asked.need("type")] if asked.get("type") is not None else [])
    if kinds:
        found = (row for row in found if any(fnmatchcase(row["type"], kind) for kind in kinds))
    return page(asked, found, "/v1/events")


def _find(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("event", asked.ids["id"], asked.account)


ROUTES: Final = (
    route("GET", "/v1/events", _list, "limit starting_after ending_before created type types"),
    route("GET", "/v1/events/{id}", _find),
)
