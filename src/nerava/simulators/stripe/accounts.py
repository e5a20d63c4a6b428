"""Connected accounts: what Stripe wants to know about somebody, and whether he may be paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.lists import created_within, page
from nerava.simulators.stripe.problems import invalid, no_access, not_found
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

LINK_LIFE_S: Final = 300
FIRST_WANTED: Final = (
    "business_type",
    "external_account",
    "individual.dob.day",
    "individual.dob.month",
    "individual.dob.year",
    "individual.first_name",
    "individual.last_name",
    "individual.ssn_last_4",
    "tos_acceptance.date",
    "tos_acceptance.ip",
)
DOCUMENT: Final = "individual.verification.document"
_TYPES: Final = ("custom", "express", "standard")
_INTERVALS: Final = ("daily", "manual", "weekly", "monthly")


def _create(stripe: StripeCore, asked: Asked) -> Json:
    controlled = asked.get("controller") is not None
    kind = asked.one_of("type", _TYPES)
    if controlled and kind is not None:
        raise invalid(
            "type", "You may not provide the `type` parameter and `controller` parameters simultaneously."
        )
    given = {
        "business_type": asked.text("business_type"),
        "country": asked.text("country") or "US",
        "default_currency": asked.text("default_currency") or "usd",
        "email": asked.text("email"),
        "metadata": asked.metadata(),
        "type": "none" if controlled else kind or "standard",
    }
    account = new_account(stripe, given, _interval(asked) or "daily")
    _request_capabilities(asked, account)
    stripe.tell("account.updated", account, account["id"], asked)
    return account


def new_account(stripe: StripeCore, given: Json, interval: str) -> Json:
    """Add an account that everything is wanted of; `interval` is how often it is paid by itself."""
    account_id = stripe.new_id("acct", 16)
    return stripe.state.put(
        "account",
        {
            "id": account_id,
            "object": "account",
            "business_profile": {"mcc": None, "name": None, "url": None},
            "business_type": None,
            "capabilities": {},
            "charges_enabled": False,
            "controller": {"type": "application", "is_controller": True},
            "country": "US",
            "created": stripe.now_s(),
            "default_currency": "usd",
            "details_submitted": False,
            "email": None,
            "external_accounts": _external_accounts(account_id, []),
            "future_requirements": requirements([]),
            "metadata": {},
            "payouts_enabled": False,
            "requirements": requirements(list(FIRST_WANTED)),
            "settings": {
                "dashboard": {"display_name": None, "timezone": "Etc/UTC"},
                "payouts": {
                    "debit_negative_balances": False,
                    "schedule": {"delay_days": 2, "interval": interval},
                    "statement_descriptor": None,
                },
            },
            "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
            "type": "express",
            **given,
        },
        account_id,
    )


def _interval(asked: Asked) -> str | None:
    return asked.one_of("settings.payouts.schedule.interval", _INTERVALS)


def _request_capabilities(asked: Asked, account: Json) -> None:
    for name in asked.get("capabilities") or {}:
        if asked.truth(f"capabilities.{name}.requested"):
            account["capabilities"].setdefault(name, "inactive")
        else:
            account["capabilities"].pop(name, None)


def _external_accounts(account_id: str, rows: list[Json]) -> Json:
    url = f"/v1/accounts/{account_id}/external_accounts"
    return {"object": "list", "data": rows, "has_more": False, "url": url}


def requirements(due: list[str], disabled: str | None = "requirements.past_due") -> Json:
    """Return what is wanted of an account."""
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": sorted(due),
        "disabled_reason": disabled if due or disabled != "requirements.past_due" else None,
        "errors": [],
        "eventually_due": sorted(due),
        "past_due": sorted(due),
        "pending_verification": [],
    }


def bank_account(stripe: StripeCore, account: Json, last4: str) -> Json:
    """Return a bank account that payouts go to."""
    return {
        "id": stripe.new_id("ba"),
        "object": "bank_account",
        "account": account["id"],
        "account_holder_name": None,
        "account_holder_type": "individual",
        "available_payout_methods": ["standard"],
        "bank_name": "STRIPE TEST BANK",
        "country": account["country"],
        "currency": account["default_currency"],
        "default_for_currency": True,
        "fingerprint": stripe.chance.text(16),
        "last4": last4,
        "metadata": {},
        "routing_number": "110000000",
        "status": "new",
    }


def attach_bank(stripe: StripeCore, account: Json, last4: str) -> None:
    """Replace the bank account of somebody."""
    had = account["external_accounts"]["data"]
    bank = bank_account(stripe, account, last4)
    account["external_accounts"] = _external_accounts(account["id"], [bank])
    word = "updated" if had else "created"
    stripe.tell(f"account.external_account.{word}", bank, account["id"])


def verify(stripe: StripeCore, account: Json, last4: str = "6789") -> None:
    """Let somebody be who he says he is: nothing is wanted, he may be paid."""
    if not account["external_accounts"]["data"]:
        attach_bank(stripe, account, last4)
    account["details_submitted"] = True
    account["tos_acceptance"] = {"date": stripe.now_s(), "ip": "127.0.0.1", "user_agent": None}
    _become(stripe, account, [], "active", None)


def want(stripe: StripeCore, account: Json, due: list[str]) -> None:
    """Want something of somebody; until it is there he may not be paid, whatever he could before."""
    account["details_submitted"] = True
    _become(stripe, account, due, "inactive", "requirements.past_due")


def reject(stripe: StripeCore, account: Json, reason: str = "rejected.fraud") -> None:
    """Want nothing to do with somebody."""
    account["details_submitted"] = True
    _become(stripe, account, [], "inactive", reason)


def _become(stripe: StripeCore, account: Json, due: list[str], status: str, disabled: str | None) -> None:
    account["requirements"] = requirements(due, disabled)
    account["payouts_enabled"] = status == "active"
    changed = [name for name, now in account["capabilities"].items() if now != status]
    for name in changed:
        account["capabilities"][name] = status
    account["charges_enabled"] = account["capabilities"].get("card_payments") == "active"
    for name in changed:
        stripe.tell("capability.updated", _capability(account, name), account["id"])
        stripe.tell_thin("v2.core.account[configuration.recipient].capability_status_updated", account["id"])
    stripe.tell_thin("v2.core.account[requirements].updated", account["id"])
    stripe.tell("account.updated", account, account["id"])


def _capability(account: Json, name: str) -> Json:
    return {
        "id": name,
        "object": "capability",
        "account": account["id"],
        "requested": True,
        "requested_at": account["created"],
        "requirements": account["requirements"],
        "status": account["capabilities"][name],
    }


def lose_bank(stripe: StripeCore, account: Json) -> None:
    """Stop paying to a bank account that a payout came back from; somebody has to name another one."""
    for bank in account["external_accounts"]["data"]:
        bank["status"] = "errored"
        stripe.tell("account.external_account.updated", bank, account["id"])
    account["payouts_enabled"] = False
    account["requirements"] = requirements(["external_account"])
    stripe.tell("account.updated", account, account["id"])


def deauthorise(stripe: StripeCore, account: Json) -> None:
    """Let somebody end the connection; the platform has no access from now on."""
    stripe.state.deauthorised.add(account["id"])
    application = {"id": "ca_simulated", "object": "application", "name": "Nerava"}
    stripe.tell("account.application.deauthorized", application, account["id"])


def _find(stripe: StripeCore, asked: Asked) -> Json:
    wanted = asked.ids["id"]
    found = stripe.state.find("account", wanted)
    if found is None or wanted in stripe.state.deauthorised:
        raise no_access(wanted)
    return found


def _own(stripe: StripeCore, asked: Asked) -> Json:
    asked.ids["id"] = asked.account
    if asked.account != stripe.state.platform:
        return _find(stripe, asked)
    return {
        "id": asked.account,
        "object": "account",
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "payouts_enabled": True,
        "type": "standard",
    }


def _list(stripe: StripeCore, asked: Asked) -> Json:
    rows = [
        row
        for row in reversed(stripe.state.tables.get("account", {}).values())
        if row["id"] not in stripe.state.deauthorised
    ]
    return page(asked, created_within(asked, rows), "/v1/accounts")


def _update(stripe: StripeCore, asked: Asked) -> Json:
    account = _find(stripe, asked)
    account["metadata"] = asked.changed_metadata(account["metadata"])
    account["email"] = asked.text("email") or account["email"]
    account["settings"]["payouts"]["schedule"]["interval"] = (
        _interval(asked) or account["settings"]["payouts"]["schedule"]["interval"]
    )
    _request_capabilities(asked, account)
    stripe.tell("account.updated", account, account["id"], asked)
    return account


def _delete(stripe: StripeCore, asked: Asked) -> Json:
    account = _find(stripe, asked)
    stripe.state.deauthorised.add(account["id"])
    return {"id": account["id"], "object": "account", "deleted": True}


def _link(stripe: StripeCore, asked: Asked) -> Json:
    wanted = asked.need("account")
    account = stripe.state.find("account", wanted)
    if account is None or wanted in stripe.state.deauthorised:
        raise not_found("account", wanted, "account", 400)
    kind = asked.one_of("type", ("account_onboarding", "account_update"))
    if kind is None:
        raise invalid("type", "Missing required param: type.", "parameter_missing")
    addresses = {name: asked.need(name) for name in ("refresh_url", "return_url")}
    now_s, url = stripe.now_s(), new_link(stripe, wanted, asked.origin, addresses)
    return {"object": "account_link", "created": now_s, "expires_at": now_s + LINK_LIFE_S, "url": url}


def new_link(stripe: StripeCore, account: str, origin: str, addresses: dict[str, str]) -> str:
    """Return the address of a page that asks somebody who he is; good once, for five minutes."""
    token = stripe.chance.text(12)
    expires_at = stripe.now_s() + LINK_LIFE_S
    stripe.state.links[token] = {"account": account, "expires_at": expires_at, "used": False, **addresses}
    return f"{origin}/onboarding/{token}"


_CHANGED: Final = (
    "business_type capabilities country default_currency email metadata settings business_profile"
)
ROUTES: Final = (
    route("GET", "/v1/account", _own),
    route("POST", "/v1/accounts", _create, f"{_CHANGED} controller type individual tos_acceptance"),
    route("GET", "/v1/accounts", _list, "limit starting_after ending_before created"),
    route("GET", "/v1/accounts/{id}", _find),
    route("POST", "/v1/accounts/{id}", _update, f"{_CHANGED} individual tos_acceptance"),
    route("DELETE", "/v1/accounts/{id}", _delete),
    route(
        "POST",
        "/v1/account_links",
        _link,
        "account refresh_url return_url type collect collection_options",
    ),
)
