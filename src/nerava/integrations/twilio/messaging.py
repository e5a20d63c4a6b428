"""`Messenger` over Twilio's Messaging API: an SMS is sent once, or it is unknown whether it was."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.live_secrets import live
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply, ask_with
from nerava.platform.provider_calls import TWILIO_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from nerava.identity.messages import Outgoing
    from nerava.platform.live_secrets import Given
    from nerava.platform.outbound import Result, Surroundings

BASE_URL: Final = "https://api.twilio.com"
NEVER_PROCESSED: Final = 20429
"""The only 429 that says nothing was done; the others are limits of a number or of the account."""

UNSUBSCRIBED: Final = 21610
NO_PHONE: Final = frozenset({21211, 21217, 21614})
"""The number does not exist, or cannot take messages."""

_OURS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class TwilioAccess:
    """What Twilio gave us.

    Attributes:
        account: Of which the messages are (`AC…`).
        key, secret: An API key of it (`SK…`), or the account and its token.
        sender: A number of ours, or a messaging service (`MG…`).
        callback_url: Where Twilio tells what became of a message; None if nobody listens.
        base_url: Where the API is; None means Twilio's own address.
    """

    account: str
    key: str
    secret: Given = field(repr=False)
    sender: str = ""
    callback_url: str | None = None
    base_url: str | None = None


class TwilioMessages:
    """Sends SMS. Safe to share between threads."""

    def __init__(
        self, access: TwilioAccess, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        self._access = access
        self._now = now
        self._outbound = Outbound(
            access.base_url or BASE_URL, now=now, wants_retry=_wants_retry, surroundings=surroundings
        )
        self._secret = live(access.secret)

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def bring(self, message: Outgoing) -> Outcome[str]:
        """Send, and return Twilio's name for the message. Accepted is not delivered: that is told later."""
        sender = "MessagingServiceSid" if self._access.sender.startswith("MG") else "From"
        form = {"To": message.to, sender: self._access.sender, "Body": message.text}
        if self._access.callback_url is not None:
            form["StatusCallback"] = self._access.callback_url
        path = f"/2010-04-01/Accounts/{self._access.account}/Messages.json"
        body = urlencode(form).encode()

        def ask(secret: str) -> Result:
            login = base64.b64encode(f"{self._access.key}:{secret}".encode()).decode()
            headers = {"authorization": f"Basic {login}", "content-type": "application/x-www-form-urlencoded"}
            return self._outbound.ask("POST", path, TWILIO_MESSAGE.call, headers=headers, body=body)

        return self._outcome(ask_with(self._secret, ask))

    def _outcome(self, result: Result) -> Outcome[str]:
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return Unknown(result.code)
        told = result.object() or {}
        if result.is_success:
            name = told.get("sid")
            return Ok(name) if isinstance(name, str) and name else Unknown("unreadable")
        return self._failure(result, told.get("code"))

    def _failure(self, reply: Reply, code: object) -> Outcome[str]:
        word = str(code) if isinstance(code, int) else f"status-{reply.status}"
        if reply.status in _OURS:
            return Misconfigured(word)
        if reply.is_busy and code == NEVER_PROCESSED:
            wait_s = reply.retry_after_s(self._now())
            return RetryLater(word, None if wait_s is None else self._now() + timedelta(seconds=wait_s))
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unknown(word)
        if code == UNSUBSCRIBED:
            return Refused("unsubscribed", word)
        return Refused("unreachable" if code in NO_PHONE else word, word)


def _wants_retry(reply: Reply) -> bool | None:
    """Say no to a 429 of another meaning; whether there is time for the one depends on its `Retry-After`."""
    return False if reply.is_busy and (reply.object() or {}).get("code") != NEVER_PROCESSED else None
