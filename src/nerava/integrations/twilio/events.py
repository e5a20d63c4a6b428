"""`Receiver` of Twilio's callbacks about messages, and who works on them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from nerava.identity.suppression_store import hear
from nerava.inbound.events import EventUnreadable, Handled, ProviderEvent, SignatureRefused
from nerava.platform.live_secrets import versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from nerava.inbound.events import Handler
    from nerava.platform.db import Database
    from nerava.platform.live_secrets import LiveSecret

PROVIDER: Final = "twilio"
_PORTS: Final = {"https": 443, "http": 80}
FOR_GOOD: Final = {"30005": "unreachable", "30006": "unreachable", "21610": "unsubscribed"}
"""Unknown number, landline, and who has said STOP."""

_TOLD: Final = {"delivered": "delivered", "undelivered": "undelivered", "failed": "failed"}


class TwilioEvents:
    """Checks and reads callbacks.

    Args:
        tokens: The account's auth token; two while one is being replaced.
        url: The address of the callback as Twilio was told it.
    """

    def __init__(self, tokens: Iterable[str] | LiveSecret, url: str) -> None:
        self._tokens = versions(tokens)
        self._urls = _spellings(url)

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        """Return what happened to a message, once the signature over address and form is right.

        Raises:
            SignatureRefused: Missing or wrong (401).
            EventUnreadable: Signed, but nothing about a message (400).
        """
        given = headers.get("x-twilio-signature", "").encode("latin-1")
        try:
            form = parse_qsl(body.decode(), keep_blank_values=True)
        except UnicodeDecodeError:
            raise SignatureRefused from None
        # Every pair is compared, so that the time says nothing about which of them was close.
        right = [
            hmac.compare_digest(signature(token, url, form), given)
            for token in self._tokens()
            for url in self._urls
        ]
        if not any(right):
            raise SignatureRefused
        told = dict(form)
        name, status = told.get("MessageSid"), told.get("MessageStatus")
        if not name or not status:
            raise EventUnreadable
        return ProviderEvent(
            provider=PROVIDER,
            account=told.get("AccountSid", ""),
            event_id=f"{name}:{status}",
            kind=f"message.{status}",
            object_id=name,
            created_s=int(now.timestamp()),
            body=told,
        )


def signature(token: bytes, url: str, form: Iterable[tuple[str, str]]) -> bytes:
    """Return Twilio's signature over an address and a form; a value that repeats counts once."""
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(token, signed.encode(), hashlib.sha1).digest())


def message_handlers(database: Database) -> Mapping[str, Handler]:
    """Return who works on callbacks about messages."""

    def heard(event: ProviderEvent, now: datetime) -> Handled:
        status = event.kind.removeprefix("message.")
        if status not in _TOLD:
            return Handled.IGNORED
        reason = FOR_GOOD.get(str(event.body.get("ErrorCode", "")))
        known = database.run(
            lambda session: hear(session, event.object_id, _TOLD[status], now, suppresses=reason),
            repeatable=True,
        )
        # Twilio is often faster than the commit of its own answer.
        return Handled.DONE if known else Handled.LATER

    return {"message.": heard}


def _spellings(url: str) -> tuple[str, ...]:
    """Return the address with and without its port: which of them is signed differs from call to call."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS.get(parts.scheme)
    without, given = parts._replace(netloc=host).geturl(), parts._replace(netloc=f"{host}:{port}").geturl()
    return (without, given)
