"""The pages that Square shows to people: a till, and the consent of a seller."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlencode

from nerava.simulators.square import oauth, orders, payments
from nerava.simulators.square.problems import SquareProblem
from nerava.simulators.wire import as_page, as_redirect

if TYPE_CHECKING:
    from nerava.simulators.square.core import SquareCore
    from nerava.simulators.wire import Answer, Call, Json

_FRAME: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{font:1rem/1.5 system-ui;max-width:26rem;margin:3rem auto;padding:0 1rem}}
button,input{{display:block;width:100%;margin:.25rem 0 .75rem;padding:.6rem;font:inherit}}
p.note{{padding:.5rem .75rem;background:#ffefc2}}</style>
<h1>{title}</h1>
<p class="note">This is a simulator. No money moves here.</p>
{body}
</html>
"""
_TILL: Final = """<form method="post">
<label>What <input name="name" value="Coffee" required></label>
<label>How many <input name="quantity" value="1" inputmode="decimal" required></label>
<label>Price of one, in minor units <input name="price" value="450" inputmode="numeric" required></label>
<label>Tip, in minor units <input name="tip" value="0" inputmode="numeric"></label>
<label>Code that the customer shows <input name="code" autocomplete="off"></label>
<button>Ring up and take the money</button></form>"""


def show(square: SquareCore, call: Call) -> Answer | None:
    """Show a page, or do what somebody chose on it; None when the address is not that of a page."""
    if call.path == "/oauth2/authorize":
        return _consent(square, call)
    if call.path.startswith("/till/"):
        return _till(square, call, call.path.removeprefix("/till/"))
    return None


def _form(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _consent(square: SquareCore, call: Call) -> Answer:
    query = _form(call.query)
    back = query.get("redirect_uri", "")
    if query.get("client_id") != square.state.application or not back.startswith(("http://", "https://")):
        body = "<p>The application is unknown, or says no address to return to.</p>"
        return as_page(_FRAME.format(title="Cannot connect", body=body), 400)
    if call.method == "POST":
        chosen = _form(call.body.decode()).get("merchant", "")
        said = {"state": query.get("state", "")}
        if chosen in square.state.sellers:
            said = {"code": oauth.new_code(square, chosen), "response_type": "code", **said}
        else:
            said = {"error": "access_denied", "error_description": "user_denied", **said}
        return as_redirect(f"{back}{'&' if '?' in back else '?'}{urlencode(said)}")
    choices = "".join(
        f'<button name="merchant" value="{html.escape(one.id)}">Allow for {html.escape(one.name)}</button>'
        for one in square.state.sellers.values()
    )
    asks = html.escape(query.get("scope", "nothing"))
    body = f"<p>Somebody asks for {asks}.</p><form method='post'>{choices}"
    body += '<button name="merchant" value="">Deny</button></form>'
    return as_page(_FRAME.format(title="Connect with Square", body=body))


def _till(square: SquareCore, call: Call, location: str) -> Answer:
    seller = next((one for one in square.state.sellers.values() if location in one.locations), None)
    if seller is None:
        return as_page(_FRAME.format(title="No till", body="<p>There is no such place.</p>"), 404)
    done, status = "", 200
    if call.method == "POST":
        try:
            done = _receipt(_sell(square, seller.id, location, _form(call.body.decode())))
        except (SquareProblem, ValueError) as problem:
            why = problem.detail if isinstance(problem, SquareProblem) else "an amount is a whole number"
            done, status = f"<p><strong>Not sold:</strong> {html.escape(why)}</p>", 422
    name = html.escape(seller.locations[location]["name"])
    return as_page(_FRAME.format(title=f"Till of {name}", body=done + _TILL), status)


def _sell(square: SquareCore, merchant: str, location: str, form: dict[str, str]) -> Json:
    line = orders.Line(form.get("name", ""), int(form.get("price", "0")), form.get("quantity", ""))
    wanted = orders.RungUp(merchant, location, (line,), form.get("code") or None)
    order = orders.ring_up(square, wanted)
    payments.pay(square, order, payments.Paying(tip=int(form.get("tip") or 0)))
    return order


def _receipt(order: Json) -> str:
    total = order["total_money"]
    paid = f"{total['amount']} minor units of {total['currency']} with tip"
    return f"<p>Sold: order {html.escape(order['id'])}, {paid}.</p>"
