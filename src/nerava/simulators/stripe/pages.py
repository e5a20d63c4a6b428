"""The pages that Stripe shows to people: a checkout, and a form that asks somebody who he is."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe import accounts, checkout
from nerava.simulators.stripe.forms import parse_form
from nerava.simulators.stripe.payments import Means
from nerava.simulators.wire import as_page, as_redirect

if TYPE_CHECKING:
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Answer, Call, Json

_FRAME: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{font:1rem/1.5 system-ui;max-width:26rem;margin:3rem auto;padding:0 1rem}}
button{{display:block;width:100%;margin:.5rem 0;padding:.75rem;font:inherit}}
p.note{{padding:.5rem .75rem;background:#ffefc2}}</style>
<h1>{title}</h1>
<p class="note">This is a simulator. No money moves here.</p>
{body}
</html>
"""
_WITHOUT_MINOR: Final = frozenset({"jpy", "krw"})
_PAYING: Final = (
    ("pay", "Pay"),
    ("bank", "Pay by bank (takes days)"),
    ("decline", "Pay with a card that is declined"),
)
_MEANS: Final = {"pay": Means.CARD, "bank": Means.BANK, "decline": Means.DECLINED}


def show(stripe: StripeCore, call: Call) -> Answer:
    """Show a page, or do what somebody chose on it."""
    _, area, *rest = call.path.split("/")
    wanted = rest[0] if len(rest) == 1 else ""
    session = stripe.state.find("checkout.session", wanted)
    if area == "pay" and session is not None:
        return _checkout(stripe, call, session)
    link = stripe.state.links.get(wanted)
    if area == "onboarding" and link is not None and "account" in link:
        return _onboarding(stripe, call, link)
    return as_page(_FRAME.format(title="Nothing here", body="<p>This page does not exist.</p>"), 404)


def _buttons(choices: tuple[tuple[str, str], ...]) -> str:
    rows = "".join(
        f'<button name="action" value="{value}">{html.escape(label)}</button>' for value, label in choices
    )
    return f'<form method="post">{rows}</form>'


def _money(amount: int, currency: str) -> str:
    if currency in _WITHOUT_MINOR:
        return f"{amount} {currency.upper()}"
    return f"{amount // 100}.{amount % 100:02} {currency.upper()}"


def _checkout(stripe: StripeCore, call: Call, session: Json) -> Answer:
    note = ""
    if call.method == "POST":
        action = str(parse_form(call.body.decode()).get("action", ""))
        if action == "abandon":
            return as_redirect(session["cancel_url"] or session["success_url"])
        if session["status"] == "open" and action in _MEANS:
            if checkout.complete(stripe, session, _MEANS[action]):
                return as_redirect(_success(session))
            note = "<p><strong>Your card was declined.</strong> Choose another one.</p>"
    if session["status"] != "open":
        body = f"<p>This checkout is {html.escape(session['status'])}.</p>"
        return as_page(
            _FRAME.format(title="Checkout", body=body), 200 if session["status"] == "complete" else 410
        )
    lines = "".join(
        f"<li>{html.escape(line['description'])}: {_money(line['amount_total'], line['currency'])}</li>"
        for line in stripe.state.links[session["id"]]["lines"]
    )
    total = _money(session["amount_total"], session["currency"])
    body = f"<ul>{lines}</ul><p>Total <strong>{total}</strong></p>{note}"
    body += _buttons((*_PAYING, ("abandon", "Leave without paying")))
    return as_page(_FRAME.format(title="Checkout", body=body))


def _success(session: Json) -> str:
    address: str = session["success_url"]
    return address.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _onboarding(stripe: StripeCore, call: Call, link: Json) -> Answer:
    if link["used"] or stripe.now_s() > link["expires_at"]:
        return as_redirect(link["refresh_url"])
    account = stripe.state.tables["account"][link["account"]]
    if call.method == "POST":
        action = str(parse_form(call.body.decode()).get("action", ""))
        if action in {"verified", "documents", "rejected", "leave"}:
            link["used"] = True
            _decide(stripe, account, action)
            return as_redirect(link["return_url"])
    choices = (
        ("verified", "I am who I say (verified)"),
        ("documents", "They want to see a document"),
        ("rejected", "They reject me"),
        ("leave", "Leave without an answer"),
    )
    body = f"<p>Account {html.escape(account['id'])} wants to be paid.</p>{_buttons(choices)}"
    return as_page(_FRAME.format(title="Tell us who you are", body=body))


def _decide(stripe: StripeCore, account: Json, action: str) -> None:
    match action:
        case "verified":
            accounts.verify(stripe, account)
        case "documents":
            accounts.want(stripe, account, [accounts.DOCUMENT])
        case "rejected":
            accounts.reject(stripe, account)
        case _:
            pass
