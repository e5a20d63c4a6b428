"""The simulated SES v2 as a provider: it checks signatures, keeps mails, and refuses as it is told."""

from __future__ import annotations

import copy
import hashlib
import hmac
import html
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

from nerava.simulators.keyless import Keyless
from nerava.simulators.mail.sns import CERTIFICATE, TOPIC, certificate, envelope
from nerava.simulators.webhooks import Endpoint
from nerava.simulators.wire import Answer, as_json, as_page, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.simulators.chance import Chance
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.webhooks import WebhookQueue
    from nerava.simulators.wire import Call, Json

NAME: Final = "ses"
PATH: Final = "/v2/email/outbound-emails"
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8}/[a-z0-9-]+/ses/aws4_request), "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)
_WORDS: Final = {429: "TooManyRequestsException", 403: "AccessDeniedException", 404: "NotFoundException"}
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Mailboxes</title>
<style>body{{font:1rem/1.5 system-ui;max-width:36rem;margin:3rem auto;padding:0 1rem}}
li{{margin:1rem 0}}pre{{white-space:pre-wrap}}</style>
<h1>Mailboxes</h1><p>This is a simulator. Nothing leaves this machine.</p><ul>{rows}</ul></html>
"""


@dataclass(slots=True)
class MailState:
    """Everything that it believes.

    Attributes:
        refuses: Addresses by which mails are refused, and the word for it.
        waiting: What is yet to be told by SNS, and where that was reached.
        confirmed: Topics whose subscription somebody confirmed.
    """

    key: str = ""
    secret: str = ""
    mails: list[Json] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, tuple[Json, str]] = field(default_factory=dict)
    confirmed: list[str] = field(default_factory=list)


class MailEngine(Keyless):
    """A `Provider` that answers like email.<region>.amazonaws.com."""

    name = NAME
    answer_limit_s = 15
    retry_gaps_s: tuple[int, ...] = (1, 1, 1, 20, 20, 20)

    def __init__(
        self, timeline: Timeline, chance: Chance, webhooks: WebhookQueue, webhooks_to: Mapping[str, str]
    ) -> None:
        self.timeline = timeline
        self.chance = chance
        self._webhooks = webhooks
        self._webhooks_to = webhooks_to
        self.state = MailState()

    def fresh(self) -> None:
        """Forget everything; the key is drawn anew from the seed."""
        chance = type(self.chance)(self.chance.seed)
        self.state = MailState(f"AKIA{chance.text(16).upper()}", chance.text(40))
        # The signature stands in the message, not beside it.
        self._webhooks.endpoints[NAME] = Endpoint(NAME, NAME, self._webhooks_to.get(NAME), [""])

    def answer(self, call: Call) -> Answer:
        """Take a mail, or show the mailboxes to a person."""
        if call.path == "/mailbox":
            return self._mailboxes(call)
        if call.path.startswith("/sns/"):
            return self._sns(call)
        return self._send(call)

    def _send(self, call: Call) -> Answer:
        if call.method != "POST" or call.path != PATH:
            return _refusal(404, "NotFoundException")
        if not self._is_signed(call):
            return _refusal(403, "InvalidSignatureException")
        asked = parsed(call.body)
        try:
            simple = asked["Content"]["Simple"]
            [to] = asked["Destination"]["ToAddresses"]
            subject, text = simple["Subject"]["Data"], simple["Body"]["Text"]["Data"]
        except (KeyError, TypeError, ValueError):
            return _refusal(400, "BadRequestException")
        word = self.state.refuses.get(to)
        if word:
            return _refusal(429 if word == _WORDS[429] else 400, word)
        name = self.take(asked["FromEmailAddress"], to, subject, text)
        self._plan(to, name, call.origin)
        return as_json({"MessageId": name}, indent=None)

    def take(self, sender: str, to: str, subject: str, text: str) -> str:
        """Put a mail into a mailbox and return its name."""
        name = f"0100{self.chance.hex(12)}-{self.chance.hex(8)}-000000"
        mail = {"id": name, "from": sender, "to": to, "subject": subject, "text": text}
        self.state.mails.append(mail | {"at": self.timeline.now().isoformat()})
        return name

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status in the provider's own words."""
        return _refusal(status, code or _WORDS.get(status, "InternalFailure"))

    def due(self, action: str, subject: str) -> None:
        """Tell what became of a mail."""
        document, origin = self.state.waiting.pop(subject)
        self.tell(action, document, origin)

    def tell(self, kind: str, message: Json | str, origin: str, topic: str = TOPIC) -> None:
        """Queue a message of SNS."""
        name = f"{self.chance.hex(8)}-{self.chance.hex(12)}"
        at = self.timeline.now()
        told = envelope(kind, name, message, at=at, origin=f"{origin}/sns", topic=topic)
        self._webhooks.tell(self._webhooks.endpoints[NAME], name, kind, json.dumps(told).encode())

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - all engines are asked alike
        """Return the headers of SNS; the proof stands in the body."""
        kind = str(parsed(body).get("Type"))
        return {"x-amz-sns-message-type": kind, "content-type": "text/plain; charset=UTF-8"}

    def believes(self) -> Json:
        """Return what lies in the mailboxes; no secrets."""
        return {"mails": copy.deepcopy(self.state.mails)}

    def _sns(self, call: Call) -> Answer:
        """Show the certificate, or take a subscription's confirmation."""
        if call.path == f"/sns/{CERTIFICATE}":
            return Answer(200, certificate(), {"content-type": "application/x-pem-file"})
        asked = dict(parse_qsl(call.query))
        if asked.get("Action") != "ConfirmSubscription" or not asked.get("Token"):
            return _refusal(404, "NotFoundException")
        self.state.confirmed.append(asked["TopicArn"])
        return Answer(200, b"<ConfirmSubscriptionResponse/>", {"content-type": "text/xml"})

    def _plan(self, to: str, name: str, origin: str) -> None:
        """Plan what becomes of a mail, by the beginning of its address."""
        said: list[tuple[str, Json]] = [("Delivery", {"delivery": {"recipients": [to]}})]
        if to.startswith("bounce+"):
            said = [("Bounce", _bounce(to, "Permanent"))]
        elif to.startswith("deferral+"):
            said = [("Bounce", _bounce(to, "Transient"))]
        elif to.startswith("complaint+"):
            said.append(("Complaint", {"complaint": {"complainedRecipients": [{"emailAddress": to}]}}))
        for number, (kind, more) in enumerate(said, 1):
            subject = f"{name}/{number}"
            mail = {"messageId": name, "destination": [to]}
            self.state.waiting[subject] = ({"notificationType": kind, "mail": mail, **more}, origin)
            self.timeline.plan(self.timeline.now() + timedelta(seconds=number), NAME, "Notification", subject)

    def _is_signed(self, call: Call) -> bool:
        found = _AUTHORIZATION.fullmatch(call.headers.get("authorization", ""))
        if found is None or found[1] != self.state.key:
            return False
        names = found[3].split(";")
        at, path = call.headers.get("x-amz-date", ""), urlsplit(call.origin).path + call.path
        lines = "".join(f"{one}:{call.headers.get(one, '').strip()}\n" for one in names)
        digest = hashlib.sha256(call.body).hexdigest()
        request = f"POST\n{path}\n\n{lines}\n{found[3]}\n{digest}"
        text = f"AWS4-HMAC-SHA256\n{at}\n{found[2]}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self.state.secret}".encode()
        for part in found[2].split("/"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), found[4])

    def _mailboxes(self, call: Call) -> Answer:
        wanted = parse_qs(call.query).get("to", [None])[0]
        rows = "".join(
            f"<li><strong>{html.escape(one['to'])}</strong>: {html.escape(one['subject'])}"
            f"<pre>{html.escape(one['text'])}</pre></li>"
            for one in reversed(self.state.mails)
            if wanted in {None, one["to"]}
        )
        return as_page(_PAGE.format(rows=rows or "<li>Nothing has arrived.</li>"))


def _bounce(to: str, kind: str) -> Json:
    return {"bounce": {"bounceType": kind, "bouncedRecipients": [{"emailAddress": to}]}}


def _refusal(status: int, word: str) -> Answer:
    answer = as_json({"message": word}, status, indent=None)
    answer.headers["x-amzn-errortype"] = word
    return answer
