"""Webhook endpoints with their secrets, which are told once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.core import NAME
from nerava.simulators.stripe.lists import page
from nerava.simulators.stripe.problems import invalid
from nerava.simulators.stripe.routing import route
from nerava.simulators.webhooks import Endpoint

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json


def _create(stripe: StripeCore, asked: Asked) -> Json:
    url, kinds = asked.need("url"), asked.texts("enabled_events")
    if not url.startswith(("http://", "https://")):
        raise invalid(
            "url", "Invalid URL: an explicit scheme (such as https) must be provided.", "url_invalid"
        )
    if not kinds:
        raise invalid("enabled_events", "Missing required param: enabled_events.", "parameter_missing")
    endpoint_id, secret = stripe.new_id("we"), f"whsec_{stripe.chance.text(32)}"
    connect = bool(asked.truth("connect"))
    stripe.webhooks.endpoints[endpoint_id] = Endpoint(
        NAME, endpoint_id, url, [secret], tuple(kinds), connect=connect
    )
    made = stripe.state.put(
        "webhook_endpoint",
        {
            "id": endpoint_id,
            "object": "webhook_endpoint",
            "api_version": asked.text("api_version"),
            "application": None,
            "created": stripe.now_s(),
            "description": asked.text("description"),
            "enabled_events": kinds,
            "livemode": False,
            "metadata": asked.metadata(),
            "status": "enabled",
            "url": url,
        },
        asked.account,
    )
    return {**made, "secret": secret}


def _find(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("webhook_endpoint", asked.ids["id"], asked.account)


def _list(stripe: StripeCore, asked: Asked) -> Json:
    return page(asked, stripe.state.newest("webhook_endpoint", asked.account), "/v1/webhook_endpoints")


def _update(stripe: StripeCore, asked: Asked) -> Json:
    found = _find(stripe, asked)
    told = stripe.webhooks.endpoints[found["id"]]
    found["url"] = asked.text("url") or found["url"]
    found["enabled_events"] = asked.texts("enabled_events") or found["enabled_events"]
    found["status"] = "disabled" if asked.truth("disabled") else "enabled"
    told.kinds = () if found["status"] == "disabled" else tuple(found["enabled_events"])
    told.url = found["url"]
    return found


def _delete(stripe: StripeCore, asked: Asked) -> Json:
    found = _find(stripe, asked)
    # It stays known, so that what was queued for it can still be signed.
    stripe.webhooks.endpoints[found["id"]].kinds = ()
    del stripe.state.tables["webhook_endpoint"][found["id"]]
    return {"id": found["id"], "object": "webhook_endpoint", "deleted": True}


ROUTES: Final = (
    route(
        "POST",
        "/v1/webhook_endpoints",
        _create,
        "url enabled_events api_version connect description metadata",
    ),
    route("GET", "/v1/webhook_endpoints", _list, "limit starting_after ending_before"),
    route("GET", "/v1/webhook_endpoints/{id}", _find),
    route("POST", "/v1/webhook_endpoints/{id}", _update, "url enabled_events disabled description metadata"),
    route("DELETE", "/v1/webhook_endpoints/{id}", _delete),
)
