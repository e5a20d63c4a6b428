"""`CodeKeeper` over Twilio Verify, which makes the codes, sends them by SMS and compares them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from nerava.identity.message_store import MessageKind
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.live_secrets import live
from nerava.platform.outbound import CallPolicy, Lost, NotSent, Outbound, Reply, ask_with
from nerava.platform.provider_calls import TWILIO_CHECK, TWILIO_START

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from nerava.identity.messages import Outgoing
    from nerava.integrations.twilio.messaging import TwilioMessages
    from nerava.platform.live_secrets import Given
    from nerava.platform.outbound import Result, Surroundings

BASE_URL: Final = "https://verify.twilio.com"
NEVER_PROCESSED: Final = 20429
"""The only 429 that may be sent again; 60202, 60203, 60207 and 60212 are limits of a number."""

UNREACHABLE: Final = frozenset({60200, 60205})
"""No number, or a landline."""

OVER: Final = "over"
APPROVED: Final = "approved"
PENDING: Final = "pending"
_ENDED: Final = frozenset({"canceled", "max_attempts_reached", "deleted", "failed", "expired"})
_OURS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class VerifyAccess:
    """What Twilio gave us.

    Attributes:
        service: The Verify service (`VA…`); its settings say how long codes are and what the text is.
        key, secret: An API key (`SK…`), or the account and its token.
        base_url: Where the API is; None means Twilio's own address.
    """

    service: str
    key: str
    secret: Given = field(repr=False)
    base_url: str | None = None


class TwilioVerify:
    """Starts verifications and checks codes. Safe to share between threads."""

    def __init__(
        self, access: VerifyAccess, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        self._service = access.service
        self._now = now
        self._outbound = Outbound(
            access.base_url or BASE_URL, now=now, wants_retry=_wants_retry, surroundings=surroundings
        )
        self._key, self._secret = access.key, live(access.secret)

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def start(self, to: str) -> Outcome[str]:
        """Have a code sent, and return Twilio's name for the verification.

        What may have been sent is `Unknown` and not sent again; within ten minutes a second start sends the
        same code, so two messages open nothing twice.
        """
        reply = self._ask("Verifications", TWILIO_START.call, {"To": to, "Channel": "sms"})
        if not isinstance(reply, Reply):
            return reply
        if reply.is_success:
            name = (reply.object() or {}).get("sid")
            return Ok(name) if isinstance(name, str) and name else Unknown("unreadable")
        return self._failure(reply, when_missing=Misconfigured("no-such-service"))

    def check(self, to: str, code: str) -> Outcome[bool]:
        """Say whether this is the code: a wrong one is a success of the call that says `pending`.

        Where there is nothing to check, it was used, is too old, or never was: `Refused`, and nothing about
        who is reached there.
        """
        reply = self._ask("VerificationCheck", TWILIO_CHECK.call, {"To": to, "Code": code})
        if not isinstance(reply, Reply):
            return reply
        if not reply.is_success:
            return self._failure(reply, when_missing=Refused(OVER))
        status = (reply.object() or {}).get("status")
        if status in {APPROVED, PENDING}:
            return Ok(status == APPROVED)
        return Refused(OVER) if status in _ENDED else Unknown("schema-drift")

    def _ask(self, what: str, policy: CallPolicy, form: Mapping[str, str]) -> Reply | RetryLater | Unknown:
        path = f"/v2/Services/{self._service}/{what}"
        body = urlencode(form).encode()

        def ask(secret: str) -> Result:
            login = base64.b64encode(f"{self._key}:{secret}".encode()).decode()
            headers = {
                "authorization": f"Basic {login}",
                "content-type": "application/x-www-form-urlencoded",
            }
            return self._outbound.ask(
                "POST", path, policy, headers=headers, body=body, partition=self._service
            )

        result = ask_with(self._secret, ask)
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        return Unknown(result.code) if isinstance(result, Lost) else result

    def _failure(
        self, reply: Reply, when_missing: Misconfigured | Refused
    ) -> Misconfigured | Refused | RetryLater | Unknown:
        code = (reply.object() or {}).get("code")
        word = str(code) if isinstance(code, int) else f"status-{reply.status}"
        if reply.status in _OURS:
            return Misconfigured(word)
        if reply.status == HTTPStatus.NOT_FOUND:
            return when_missing
        if reply.is_busy and code == NEVER_PROCESSED:
            wait_s = reply.retry_after_s(self._now())
            return RetryLater(word, None if wait_s is None else self._now() + timedelta(seconds=wait_s))
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unknown(word)
        return Refused("unreachable" if code in UNREACHABLE else word, word)


class CodesByVerify:
    """A `Messenger` that has codes sent by Verify, and everything else by another one."""

    def __init__(self, verify: TwilioVerify, others: TwilioMessages) -> None:
        self.verify = verify
        self.others = others

    def close(self) -> None:
        """Close the connections of both."""
        self.verify.close()
        self.others.close()

    def bring(self, message: Outgoing) -> Outcome[str]:
        """Send, and return the provider's name for it."""
        if message.kind is MessageKind.VERIFY:
            return self.verify.start(message.to)
        return self.others.bring(message)


def _wants_retry(reply: Reply) -> bool | None:
    """Say no to a 429 of another meaning; whether there is time for the one depends on its `Retry-After`."""
    return False if reply.is_busy and (reply.object() or {}).get("code") != NEVER_PROCESSED else None
