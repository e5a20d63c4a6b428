"""`Messenger` over SendGrid's v3 API, and `Receiver` of what it tells in batches."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from nerava.identity.message_store import MessageKind
from nerava.identity.suppression_store import hear
from nerava.inbound.events import EventUnreadable, Handled, ProviderEvent, SignatureRefused
from nerava.integrations.mail.letter import SUBJECTS, From, HeaderRefused, mail_of
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.live_secrets import live
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply, ask_with
from nerava.platform.provider_calls import SENDGRID_SEND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nerava.identity.messages import Outgoing
    from nerava.inbound.events import Handler
    from nerava.platform.db import Database
    from nerava.platform.live_secrets import Given
    from nerava.platform.outbound import Result, Surroundings

PROVIDER: Final = "sendgrid"
BASE_URL: Final = "https://api.sendgrid.com"
PATH: Final = "/v3/mail/send"
OURS: Final = "nerava"
"""The argument that mails of ours carry, by which their events are told from others of the account."""

FRESH: Final = timedelta(minutes=5)
"""Their timestamp is signed, and what is older is not believed: SendGrid itself refuses nothing."""

_CODE: Final = replace(SENDGRID_SEND.call, attempts=1)
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_FOR_GOOD: Final = {
    "Bounced Address": "unreachable",
    "Invalid": "unreachable",
    "Spam Reporting Address": "complained",
    "Unsubscribed Address": "unsubscribed",
}


@dataclass(frozen=True, slots=True)
class SendGridAccess:
    """What SendGrid gave us.

    Attributes:
        base_url: Where the API is; None means SendGrid's own address.
    """

    key: Given = field(repr=False)
    sender: str
    base_url: str | None = None


class SendGridMail:
    """Sends mail. Safe to share between threads."""

    def __init__(
        self, access: SendGridAccess, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        self._now = now
        self._from = From(access.sender)
        name, address = parseaddr(access.sender)
        self._sender = {"email": address} | ({"name": name} if name else {})
        self._outbound = Outbound(access.base_url or BASE_URL, now=now, surroundings=surroundings)
        self._key = live(access.key)

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def bring(self, message: Outgoing) -> Outcome[str]:
        """Send, and return SendGrid's name for the mail. Accepted is not delivered: that is told later."""
        try:
            mail_of(message, self._from)
        except HeaderRefused:
            return Refused("header-refused")
        body = orjson.dumps(
            {
                "personalizations": [{"to": [{"email": message.to}], "custom_args": {OURS: str(message.id)}}],
                "from": self._sender,
                "subject": SUBJECTS[message.kind],
                "content": [{"type": "text/plain", "value": message.text}],
            }
        )
        policy = SENDGRID_SEND.call if message.kind is MessageKind.NOTICE else _CODE

        def ask(key: str) -> Result:
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            return self._outbound.ask("POST", PATH, policy, headers=headers, body=body)

        return self._outcome(ask_with(self._key, ask))

    def _outcome(self, result: Result) -> Outcome[str]:
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return Unknown(result.code)
        if result.is_success:
            return Ok(result.headers.get("x-message-id", ""))
        word = f"status-{result.status}"
        if result.status in _DENIED:
            return Misconfigured(word)
        if result.is_busy:
            return RetryLater(word, self._free_at(result))
        return Unknown(word) if result.status >= HTTPStatus.INTERNAL_SERVER_ERROR else Refused(word)

    def _free_at(self, reply: Reply) -> datetime | None:
        """Return when the limit begins anew, within an hour; None where that is not said."""
        now, told = self._now(), reply.headers.get("x-ratelimit-reset", "")
        wait_s = reply.retry_after_s(now)
        if wait_s is not None:
            return now + timedelta(seconds=wait_s)
        if not (told.isascii() and told.isdecimal() and len(told) <= len("9999999999")):
            return None
        return min(max(datetime.fromtimestamp(int(told), UTC), now), now + timedelta(hours=1))


class SendGridEvents:
    """Checks and reads batches of events.

    Args:
        keys: Public keys as SendGrid shows them, base64 without a frame; two while one is being replaced.

    Raises:
        ValueError: One is no such key.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = [_key(one) for one in keys]

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        """Return a batch, once the signature over timestamp and raw bytes is right and not old.

        Raises:
            SignatureRefused: Missing, wrong, or older than five minutes (401).
            EventUnreadable: Signed, but no batch of events (400).
        """
        at = headers.get("x-twilio-email-event-webhook-timestamp", "")
        given = headers.get("x-twilio-email-event-webhook-signature", "")
        if (
            not (at.isascii() and at.isdecimal())
            or abs(now.timestamp() - int(at[:12])) > FRESH.total_seconds()
        ):
            raise SignatureRefused
        try:
            signature = base64.b64decode(given, validate=True)
        except binascii.Error:
            raise SignatureRefused from None
        if not any(_is_signed(key, signature, at.encode() + body) for key in self._keys):
            raise SignatureRefused
        if not isinstance(_document(body), list):
            raise EventUnreadable
        return ProviderEvent(
            provider=PROVIDER,
            account="",
            event_id=hashlib.sha256(body).hexdigest(),
            kind="batch",
            object_id="",
            created_s=int(at),
            body={"events": _document(body)},
        )


def sendgrid_handlers(database: Database) -> Mapping[str, Handler]:
    """Return who works on batches: each event as if it were alone, in whatever order and however often."""

    def heard(batch: ProviderEvent, now: datetime) -> Handled:
        unknown = 0
        for event in batch.body.get("events", []):
            found = _receipt_of(event) if isinstance(event, dict) and event.get(OURS) else None
            if found is None:
                continue
            name = str(event.get("sg_message_id", "")).partition(".")[0]
            receipt, reason = found
            known = database.run(
                lambda session, name=name, receipt=receipt, reason=reason: hear(  # type: ignore[misc]
                    session, name, receipt, now, suppresses=reason
                ),
                repeatable=True,
            )
            unknown += not known
        return Handled.LATER if unknown else Handled.DONE

    return {"batch": heard}


def _receipt_of(event: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Return what became of a mail, and why its contact gets no more; None where nothing follows."""
    match event.get("event"):
        case "delivered":
            return "delivered", None
        case "bounce":
            # `blocked` is said of us and passes; the other kind is said of the address and stays.
            return None if event.get("type") == "blocked" else ("bounced", "unreachable")
        case "dropped":
            return "failed", _FOR_GOOD.get(str(event.get("reason")))
        case "spamreport":
            return "complained", "complained"
        case "unsubscribe" | "group_unsubscribe":
            return "unsubscribed", "unsubscribed"
        case _:
            return None


def _key(text: str) -> EllipticCurvePublicKey:
    key = load_der_public_key(base64.b64decode(text, validate=True))
    if not isinstance(key, EllipticCurvePublicKey):
        message = "the key of SendGrid's webhook is one of an elliptic curve"
        raise TypeError(message)
    return key


def _is_signed(key: EllipticCurvePublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _document(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
