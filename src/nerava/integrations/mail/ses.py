"""`Messenger` over Amazon SES v2: one signed call, so that our deadline and our attempts hold."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import orjson

from nerava.identity.message_store import MessageKind
from nerava.integrations.mail.letter import SUBJECTS, From, HeaderRefused, mail_of
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.live_secrets import live
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply, ask_with
from nerava.platform.provider_calls import SES_SEND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from nerava.identity.messages import Outgoing
    from nerava.platform.live_secrets import Given
    from nerava.platform.outbound import Result, Surroundings

PATH: Final = "/v2/email/outbound-emails"
_CODE: Final = replace(SES_SEND.call, attempts=1)
"""A code that may have arrived is sent once more, by whoever asked for it to be sent."""

BUSY: Final = "TooManyRequestsException"
OUR_ACCOUNT: Final = frozenset(
    {
        "AccountSuspendedException",
        "SendingPausedException",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",
        "LimitExceededException",
    }
)
"""Nothing of ours is sent until a person has looked at the account."""


@dataclass(frozen=True, slots=True)
class SesAccess:
    """What AWS gave us.

    Attributes:
        base_url: Where the API is; None means the region's own address.
    """

    region: str
    key: str
    secret: Given = field(repr=False)
    sender: str = ""
    base_url: str | None = None


class SesMail:
    """Sends mail. Safe to share between threads."""

    def __init__(
        self, access: SesAccess, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        self._access = access
        self._now = now
        self._secret = live(access.secret)
        self._from = From(access.sender)
        self._url = access.base_url or f"https://email.{access.region}.amazonaws.com"
        self._outbound = Outbound(self._url, now=now, surroundings=surroundings)

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def bring(self, message: Outgoing) -> Outcome[str]:
        """Send, and return the name that SES gave the mail. Accepted is not delivered: that is told later."""
        try:
            mail_of(message, self._from)
        except HeaderRefused:
            return Refused("header-refused")
        content = {
            "Subject": {"Data": SUBJECTS[message.kind]},
            "Body": {"Text": {"Data": message.text, "Charset": "UTF-8"}},
        }
        body = orjson.dumps(
            {
                "FromEmailAddress": self._access.sender,
                "Destination": {"ToAddresses": [message.to]},
                "Content": {"Simple": content},
            }
        )
        policy = _CODE if message.kind is MessageKind.CODE else SES_SEND.call

        def ask(secret: str) -> Result:
            access = replace(self._access, secret=secret)
            headers = signed_headers(access, self._url, body, self._now())
            return self._outbound.ask("POST", PATH, policy, headers=headers, body=body)

        return self._outcome(ask_with(self._secret, ask))

    def _outcome(self, result: Result) -> Outcome[str]:
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return Unknown(result.code)
        if result.is_success:
            name = (result.object() or {}).get("MessageId")
            return Ok(name) if isinstance(name, str) and name else Unknown("unreadable")
        return self._failure(result)

    def _failure(self, reply: Reply) -> Outcome[str]:
        told = reply.headers.get("x-amzn-errortype") or str((reply.object() or {}).get("__type", ""))
        word = told.partition(":")[0].rpartition("#")[2] or f"status-{reply.status}"
        if reply.is_busy or word == BUSY:
            wait_s = reply.retry_after_s(self._now())
            return RetryLater(word, None if wait_s is None else self._now() + timedelta(seconds=wait_s))
        if reply.status == HTTPStatus.FORBIDDEN or word in OUR_ACCOUNT:
            return Misconfigured(word)
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unknown(word)
        return Refused(word)


def signed_headers(access: SesAccess, url: str, body: bytes, now: datetime) -> Mapping[str, str]:
    """Return the headers of a call, signed as AWS Signature Version 4 says."""
    at = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    parts, day = urlsplit(url), at[:8]
    headers = {"content-type": "application/json", "host": parts.netloc, "x-amz-date": at}
    names = ";".join(sorted(headers))
    digest = hashlib.sha256(body).hexdigest()
    path = parts.path.rstrip("/") + PATH
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    canonical = "\n".join(["POST", path, "", *lines, "", names, digest])
    scope = f"{day}/{access.region}/ses/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{live(access.secret).reveal()}".encode()
    for part in (day, access.region, "ses", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={access.key}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    return headers
