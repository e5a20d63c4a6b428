"""The simulated Messaging API as a provider: whose account it is, what was sent, and what became of it."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import html
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, parse_qsl, urlencode

from nerava.simulators.keyless import Keyless
from nerava.simulators.webhooks import Endpoint
from nerava.simulators.wire import Answer, as_json, as_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.simulators.chance import Chance
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.webhooks import WebhookQueue
    from nerava.simulators.wire import Call, Json

NAME: Final = "twilio-api"
CALLBACKS: Final = "twilio"
SENT_AFTER_S: Final = 1
DELIVERED_AFTER_S: Final = 2
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
WORDS: Final = {
    401: (20003, "Authenticate"),
    403: (20003, "Permission Denied"),
    404: (20404, "The requested resource was not found"),
    429: (20429, "Too Many Requests"),
    500: (20500, "Internal Server Error"),
    503: (20503, "Service Unavailable"),
}
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Phones</title>
<style>body{{font:1rem/1.5 system-ui;max-width:32rem;margin:3rem auto;padding:0 1rem}}
li{{margin:.5rem 0}}code{{white-space:pre-wrap}}</style>
<h1>Phones</h1><p>This is a simulator. Nothing leaves this machine.</p><ul>{rows}</ul></html>
"""


@dataclass(slots=True)
class TwilioState:
    """Everything that it believes."""

    account: str = ""
    key: str = ""
    secret: str = ""
    token: str = ""
    messages: dict[str, Json] = field(default_factory=dict)
    callbacks: dict[str, str] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    """Numbers that have said STOP."""
    dead: dict[str, str] = field(default_factory=dict)
    """Numbers that nothing arrives at, and the error that says so."""


class TwilioEngine(Keyless):
    """A `Provider` that answers like api.twilio.com."""

    name = NAME
    answer_limit_s = 15
    retry_gaps_s: tuple[int, ...] = ()
    """Callbacks come once."""

    def __init__(
        self, timeline: Timeline, chance: Chance, webhooks: WebhookQueue, webhooks_to: Mapping[str, str]
    ) -> None:
        self.timeline = timeline
        self.chance = chance
        self._webhooks = webhooks
        self._webhooks_to = webhooks_to
        self.state = TwilioState()

    def fresh(self) -> None:
        """Forget everything; account, key and token are drawn anew from the seed."""
        chance = type(self.chance)(self.chance.seed)
        self.state = TwilioState(
            f"AC{chance.hex(32)}", f"SK{chance.hex(32)}", chance.text(32), chance.hex(32)
        )
        to = self._webhooks_to.get(CALLBACKS)
        self._webhooks.endpoints[CALLBACKS] = Endpoint(NAME, CALLBACKS, to, [self.state.token])

    def answer(self, call: Call) -> Answer:
        """Carry out a call of the API, or show the phones to a person."""
        if call.path == "/inbox":
            return self._phones(call)
        if not knows(self.state, call.headers.get("authorization", "")):
            return refusal(401, *WORDS[401])
        found = re.fullmatch(r"/2010-04-01/Accounts/(AC\w+)/Messages(?:/(SM\w+))?\.json", call.path)
        if found is None or found[1] != self.state.account:
            return refusal(404, *WORDS[404])
        if call.method == "POST" and found[2] is None:
            return self._send(dict(parse_qsl(call.body.decode(), keep_blank_values=True)))
        if call.method == "GET" and found[2] in self.state.messages:
            return as_json(self.state.messages[found[2]], indent=None)
        return refusal(404, *WORDS[404])

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status in Twilio's own words."""
        number, said = WORDS.get(status, (status, "Error"))
        return refusal(status, int(code) if code and code.isdecimal() else number, said)

    def due(self, action: str, subject: str) -> None:
        """Let a message go on."""
        if action == "send":
            self.become(subject, "sent")
            self._later(DELIVERED_AFTER_S, "arrive", subject)
        elif action == "arrive":
            error = self.state.dead.get(self.state.messages[subject]["to"])
            self.become(subject, "delivered" if error is None else "undelivered", error)

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - no time in it
        """Return the headers that prove a callback: the address and every field once, by name."""
        fields: dict[str, set[str]] = {}
        for name, value in parse_qsl(body.decode(), keep_blank_values=True):
            fields.setdefault(name, set()).add(value)
        text = url + "".join(name + value for name in sorted(fields) for value in sorted(fields[name]))
        digest = hmac.new(secrets[0].encode(), text.encode(), hashlib.sha1).digest()
        form = "application/x-www-form-urlencoded; charset=utf-8"
        return {"x-twilio-signature": base64.b64encode(digest).decode(), "content-type": form}

    def believes(self) -> Json:
        """Return what was sent; no secrets."""
        return {"messages": copy.deepcopy(list(self.state.messages.values()))}

    def become(self, name: str, status: str, error: str | None = None) -> None:
        """Give a message another status, and tell who asked to be told."""
        message = self.state.messages[name]
        message["status"], message["error_code"] = status, None if error is None else int(error)
        callback = self.state.callbacks.get(name)
        if callback is None:
            return
        endpoint = self._webhooks.endpoints[CALLBACKS]
        endpoint.registered = callback
        told = {
            "MessageSid": name,
            "MessageStatus": status,
            "AccountSid": self.state.account,
            "To": message["to"],
            "From": message["from"] or "",
            "ApiVersion": "2010-04-01",
        }
        told |= {} if error is None else {"ErrorCode": error}
        self._webhooks.tell(endpoint, f"{name}:{status}", f"message.{status}", urlencode(told).encode())

    def _send(self, form: dict[str, str]) -> Answer:
        to, sender = form.get("To", ""), form.get("From") or form.get("MessagingServiceSid")
        if not _NUMBER.fullmatch(to):
            return refusal(400, 21211, f"Invalid 'To' Phone Number: {to[:4]}XXXX")
        if not sender:
            return refusal(400, 21603, "A 'From' phone number is required")
        if not form.get("Body"):
            return refusal(400, 21602, "Message body is required")
        if to in self.state.stopped:
            return refusal(400, 21610, "Attempt to send to unsubscribed recipient")
        name = f"SM{self.chance.hex(32)}"
        is_service = sender.startswith("MG")
        self.state.messages[name] = {
            "sid": name,
            "account_sid": self.state.account,
            "to": to,
            "from": None if is_service else sender,
            "messaging_service_sid": sender if is_service else None,
            "body": form["Body"],
            "status": "queued",
            "error_code": None,
            "direction": "outbound-api",
            "date_created": self.timeline.now().strftime("%a, %d %b %Y %H:%M:%S +0000"),
        }
        if form.get("StatusCallback"):
            self.state.callbacks[name] = form["StatusCallback"]
        self._later(SENT_AFTER_S, "send", name)
        return as_json(self.state.messages[name], 201, indent=None)

    def put(self, to: str, body: str) -> None:
        """Let something arrive at a phone that no call of this API sent."""
        name = f"SM{self.chance.hex(32)}"
        self.state.messages[name] = {"sid": name, "to": to, "from": None, "body": body, "status": "delivered"}

    def _later(self, seconds: int, action: str, subject: str) -> None:
        self.timeline.plan(self.timeline.now() + timedelta(seconds=seconds), NAME, action, subject)

    def _phones(self, call: Call) -> Answer:
        wanted = parse_qs(call.query).get("to", [None])[0]
        rows = "".join(
            f"<li><strong>{html.escape(one['to'])}</strong> ({html.escape(one['status'])})<br>"
            f"<code>{html.escape(one['body'])}</code></li>"
            for one in reversed(self.state.messages.values())
            if wanted in {None, one["to"]}
        )
        return as_page(_PAGE.format(rows=rows or "<li>Nothing has arrived.</li>"))


def knows(state: TwilioState, authorization: str) -> bool:
    """Return whether a call is signed in to our account."""
    pairs = {f"{state.key}:{state.secret}", f"{state.account}:{state.token}"}
    return authorization in {f"Basic {base64.b64encode(one.encode()).decode()}" for one in pairs}


def refusal(status: int, code: int, message: str) -> Answer:
    """Return an error in the form of Twilio."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return as_json(
        {"code": code, "message": message, "more_info": more, "status": status}, status, indent=None
    )
