"""The simulated SendGrid as a provider: it takes mails, and tells in batches what became of them."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nerava.simulators.webhooks import Endpoint
from nerava.simulators.wire import Answer, as_json, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.simulators.chance import Chance
    from nerava.simulators.mail.engine import MailEngine
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.webhooks import WebhookQueue
    from nerava.simulators.wire import Call, Json

NAME: Final = "sendgrid"
PATH: Final = "/v3/mail/send"
TOLD_AFTER_S: Final = 5
RESET_S: Final = 30


@dataclass(slots=True)
class SendGridState:
    """Everything that it believes: our key, that of its signatures, and what is yet to be told."""

    key: str = ""
    scalar: str = "1"
    waiting: list[Json] = field(default_factory=list)
    number: int = 0


class SendGridEngine:
    """A `Provider` that answers like api.sendgrid.com; mails lie in the same mailboxes as those of SES."""

    name = NAME
    answer_limit_s = 10
    retry_gaps_s: tuple[int, ...] = (60, 300, 3_600, 14_400, 64_800)
    """For a day in all."""

    def __init__(
        self,
        timeline: Timeline,
        chance: Chance,
        mail: MailEngine,
        webhooks: WebhookQueue,
        webhooks_to: Mapping[str, str],
    ) -> None:
        self.timeline = timeline
        self.chance = chance
        self._mail = mail
        self._webhooks = webhooks
        self._webhooks_to = webhooks_to
        self.state = SendGridState()

    def fresh(self) -> None:
        """Forget everything; both keys are drawn anew from the seed."""
        chance = type(self.chance)(self.chance.seed + 2)
        self.state = SendGridState(f"SG.{chance.text(22)}.{chance.text(43)}", chance.hex(60))
        to = self._webhooks_to.get(NAME)
        self._webhooks.endpoints[NAME] = Endpoint(NAME, NAME, to, [self.state.scalar])

    @property
    def public_key(self) -> str:
        """The public key as the provider shows it: base64, without a frame."""
        key = _private(self.state.scalar).public_key()
        return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()

    def begin(self, call: Call) -> Answer | None:  # noqa: ARG002 - nothing repeats by a key
        """Let every call in."""
        return None

    def answer(self, call: Call) -> Answer:
        """Take a mail."""
        if call.headers.get("authorization") != f"Bearer {self.state.key}":
            return self.fail(call, 401, None)
        if call.method != "POST" or call.path != PATH:
            return self.fail(call, 404, None)
        asked = parsed(call.body)
        try:
            [person] = asked["personalizations"]
            [to] = person["to"]
            [content] = asked["content"]
            sender, subject = asked["from"], asked["subject"]
        except (KeyError, TypeError, ValueError):
            return self.fail(call, 400, None)
        word = self._mail.state.refuses.get(to["email"])
        if word:
            return self.fail(call, int(word) if word.isdecimal() else 400, None)
        self._mail.take(sender["email"], to["email"], subject, content["value"])
        name = self.chance.text(22)
        self._plan(to["email"], name, person.get("custom_args", {}))
        answer = Answer(202, b"")
        answer.headers["x-message-id"] = name
        return answer

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status in the provider's own words."""
        answer = as_json({"errors": [{"message": code or "error", "field": None, "help": None}]}, status)
        if status == 429:  # noqa: PLR2004 - HTTP's own number
            answer.headers["x-ratelimit-reset"] = str(self.timeline.now_s() + RESET_S)
        return answer

    def keep(self, call: Call, answer: Answer) -> None:
        """Keep nothing: there are no keys, and a mail that is sent twice arrives twice."""

    def abandon(self, call: Call) -> None:
        """Free nothing."""

    def due(self, action: str, subject: str) -> None:  # noqa: ARG002 - there is one action
        """Tell what has happened since, all in one batch."""
        if self.state.waiting:
            self.tell(self.state.waiting)
            self.state.waiting = []

    def tell(self, events: list[Json]) -> None:
        """Queue a batch."""
        self.state.number += 1
        endpoint = self._webhooks.endpoints[NAME]
        self._webhooks.tell(endpoint, f"batch-{self.state.number}", "batch", json.dumps(events).encode())

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - no address in it
        """Return the headers that prove a batch: a signature over the time and the raw bytes."""
        signed = str(at_s).encode() + body
        try:
            key = _private(secrets[0])
        except ValueError:  # the secret of somebody else is none of a curve
            key = _private("2")
        signature = key.sign(signed, ECDSA(SHA256()))
        return {
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": str(at_s),
        }

    def believes(self) -> Json:
        """Return what is yet to be told."""
        return {"waiting": copy.deepcopy(self.state.waiting)}

    def _plan(self, to: str, name: str, arguments: Json) -> None:
        """Plan what becomes of a mail, by the beginning of its address."""
        ends: dict[str, list[tuple[str, Json]]] = {
            "bounce+": [("bounce", {"type": "bounce"})],
            "complaint+": [("delivered", {}), ("spamreport", {})],
        }
        begins = next((one for one in ends if to.startswith(one)), None)
        happening = ends[begins] if begins is not None else [("delivered", {})]
        for word, more in [("processed", {}), *happening]:
            event: Json = {
                "email": to,
                "timestamp": self.timeline.now_s(),
                "event": word,
                "sg_event_id": self.chance.text(22),
                "sg_message_id": f"{name}.filterdrecv-{self.chance.hex(8)}-0",
            }
            self.state.waiting.append(event | more | arguments)
        at = self.timeline.now() + timedelta(seconds=TOLD_AFTER_S)
        self.timeline.plan(at, NAME, "tell", "")


def _private(scalar: str) -> EllipticCurvePrivateKey:
    return derive_private_key(int(scalar, 16) or 1, SECP256R1())
