"""Accounts by v2 calls: JSON, another view of the same accounts, and events that say where to look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.stripe.accounts import LINK_LIFE_S, new_account, new_link
from nerava.simulators.stripe.problems import invalid, missing, not_found
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

_INCLUDED: Final = ("configuration.recipient", "identity", "requirements")
"""What is null in an answer unless it is asked for."""


def _create(stripe: StripeCore, asked: Asked) -> Json:
    given = {
        "email": asked.text("contact_email"),
        "metadata": asked.metadata(),
        "country": str(asked.get("identity.country") or "us").upper(),
        "type": "none",
    }
    account = new_account(stripe, given, "daily")
    wanted = asked.get("configuration.recipient.capabilities.stripe_balance.stripe_transfers.requested")
    if wanted is True:
        account["capabilities"]["transfers"] = "inactive"
    stripe.tell_thin("v2.core.account.created", account["id"])
    return _view(account, _include(asked))


def _find(stripe: StripeCore, asked: Asked) -> Json:
    wanted = asked.ids["id"]
    account = stripe.state.find("account", wanted)
    if account is None or wanted in stripe.state.deauthorised:
        raise not_found("v2.core.account", wanted)
    return _view(account, _include(asked))


def _include(asked: Asked) -> list[str]:
    names = asked.texts("include")
    for name in names:
        if name not in _INCLUDED:
            raise invalid("include", f"{name} cannot be included.")
    return names


def _view(account: Json, include: list[str]) -> Json:
    """Return an account as v2 shows it."""
    parts: dict[str, Any] = {
        "configuration.recipient": {"recipient": _recipient(account)},
        "identity": {"country": account["country"].lower(), "entity_type": account["business_type"]},
        "requirements": {
            "entries": [
                {
                    "awaiting_action_from": "user",
                    "description": name,
                    "minimum_deadline": {"status": "past_due"},
                    "requested_reasons": [{"code": "routine_onboarding"}],
                }
                for name in account["requirements"]["currently_due"]
            ]
        },
    }
    return {
        "id": account["id"],
        "object": "v2.core.account",
        "applied_configurations": ["recipient"],
        "closed": False,
        "configuration": parts["configuration.recipient"] if "configuration.recipient" in include else None,
        "contact_email": account["email"],
        "created": instant_text(account["created"]),
        "dashboard": "express",
        "display_name": None,
        "identity": parts["identity"] if "identity" in include else None,
        "livemode": False,
        "metadata": account["metadata"],
        "requirements": parts["requirements"] if "requirements" in include else None,
    }


def _recipient(account: Json) -> Json:
    status = account["capabilities"].get("transfers")
    if status is None:
        return {"applied": True, "capabilities": None}
    shown: Json = {"status": "active" if status == "active" else "restricted", "status_details": []}
    return {"applied": True, "capabilities": {"stripe_balance": {"stripe_transfers": shown}}}


def instant_text(at_s: int) -> str:
    """Return an instant as v2 writes it: RFC 3339 with milliseconds, UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _link(stripe: StripeCore, asked: Asked) -> Json:
    wanted = asked.need("account")
    use = asked.get("use_case.account_onboarding")
    if not isinstance(use, dict) or asked.get("use_case.type") != "account_onboarding":
        raise missing("use_case")
    if stripe.state.find("account", wanted) is None or wanted in stripe.state.deauthorised:
        raise not_found("v2.core.account", wanted, "account", 400)
    addresses = {
        name: asked.need(f"use_case.account_onboarding.{name}") for name in ("refresh_url", "return_url")
    }
    now_s = stripe.now_s()
    return {
        "object": "v2.core.account_link",
        "account": wanted,
        "created": instant_text(now_s),
        "expires_at": instant_text(now_s + LINK_LIFE_S),
        "livemode": False,
        "url": new_link(stripe, wanted, asked.origin, addresses),
        "use_case": asked.get("use_case"),
    }


def _event(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("v2.core.event", asked.ids["id"], None)


ROUTES: Final = (
    route(
        "POST",
        "/v2/core/accounts",
        _create,
        "contact_email display_name configuration identity metadata include dashboard defaults",
    ),
    route("GET", "/v2/core/accounts/{id}", _find, "include"),
    route("POST", "/v2/core/account_links", _link, "account use_case"),
    route("GET", "/v2/core/events/{id}", _event),
)
