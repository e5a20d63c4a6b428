"""The consent page: a person lets our application read the cars of an account, or does not."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlencode

from nerava.simulators.wire import as_page, as_redirect

if TYPE_CHECKING:
    from nerava.simulators.smartcar.core import SmartcarCore
    from nerava.simulators.wire import Answer, Call

_FRAME: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{font:1rem/1.5 system-ui;max-width:26rem;margin:3rem auto;padding:0 1rem}}
button{{display:block;width:100%;margin:.25rem 0 .75rem;padding:.6rem;font:inherit}}
p.note{{padding:.5rem .75rem;background:#ffefc2}}</style>
<h1>{title}</h1>
<p class="note">This is a simulator. There are no such cars.</p>
{body}
</html>
"""
NO_VEHICLES: Final = "no_vehicles"


def consent(smartcar: SmartcarCore, call: Call) -> Answer:
    """Show who may agree, or send back who did."""
    query = {name: values[0] for name, values in parse_qs(call.query).items()}
    state, back = smartcar.state, query.get("redirect_uri", "")
    unknown = state.redirect_uri is not None and back != state.redirect_uri
    if query.get("client_id") != state.client or unknown or not back.startswith(("http://", "https://")):
        body = "<p>The application or the address to return to is not registered.</p>"
        return as_page(_FRAME.format(title="Cannot connect", body=body), 400)
    if call.method == "POST":
        chosen = parse_qs(call.body.decode()).get("user", [""])[0]
        said = {"state": query.get("state", "")}
        if state.people.get(chosen):
            smartcar.connect(chosen, "live" if query.get("mode") == "live" else "test")
            said = {"code": smartcar.new_code(chosen), "user_id": chosen, **said}
        else:
            refused = NO_VEHICLES if chosen in state.people or chosen == NO_VEHICLES else "access_denied"
            said = {"error": refused, "error_description": refused, **said}
        return as_redirect(f"{back}{'&' if '?' in back else '?'}{urlencode(said)}")
    choices = "".join(
        f'<button name="user" value="{html.escape(user)}">'
        f"Allow for {html.escape(_cars(smartcar, vins))}</button>"
        for user, vins in state.people.items()
    )
    body = (
        f"<p>Somebody asks for {html.escape(query.get('scope', 'nothing'))}.</p><form method='post'>{choices}"
    )
    body += f'<button name="user" value="{NO_VEHICLES}">An account without a car</button>'
    body += '<button name="user" value="">Deny</button></form>'
    return as_page(_FRAME.format(title="Connect your car", body=body))


def _cars(smartcar: SmartcarCore, vins: list[str]) -> str:
    named = (smartcar.car(vin) for vin in vins)
    return ", ".join(f"{one.make} {one.model}" for one in named) or "an account without a car"
