"""`ApplePasses`: passes signed here, and empty pushes over HTTP/2 to the phones that have them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from nerava.integrations.apple_wallet.files import document, packed
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.passes.ports import GONE
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply, Surroundings
from nerava.platform.provider_calls import APNS_PUSH

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from nerava.integrations.apple_wallet.files import Issuer
    from nerava.integrations.apple_wallet.signing import Certificate
    from nerava.passes.ports import AppleDetails, Content

PUSH_URL: Final = "https://api.push.apple.com"
EMPTY: Final = b"{}"
"""A pass that changed is told by a push that says nothing."""

_NOT_A_PHONE: Final = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered"})
_OURS: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


class AppleWallet:
    """Passes of one kind. Safe to share between threads.

    Args:
        issuer: Whose passes these are.
        certificate: What they are signed with, and what is shown to the push service.
        base_url: Where pushes go; None means Apple. To the simulator HTTP/2 goes without TLS.
    """

    def __init__(
        self,
        issuer: Issuer,
        certificate: Certificate,
        *,
        now: Callable[[], datetime],
        base_url: str | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.pass_type = issuer.pass_type
        self._issuer = issuer
        self._certificate = certificate
        url = base_url or PUSH_URL
        self._outbound = Outbound(
            url,
            now=now,
            surroundings=surroundings,
            http2=True,
            tls=certificate.tls() if url.startswith("https://") else None,
        )

    @property
    def expires_at(self) -> datetime:
        """When the certificate ends, aware UTC."""
        return self._certificate.expires_at

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def build(self, content: Content, details: AppleDetails) -> bytes:
        """Return a signed pass; asks nobody outside."""
        return packed(document(self._issuer, content, details), self._certificate.sign)

    def push(self, push_token: str) -> Outcome[None]:
        """Let a phone ask for news. Repeats safely. `Refused(GONE)` if the phone is not there any more."""
        headers = {"apns-topic": self.pass_type}
        path = f"/3/device/{quote(push_token, safe='')}"
        result = self._outbound.ask("POST", path, APNS_PUSH.call, headers=headers, body=EMPTY)
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return Unknown(result.code)
        return Ok(None) if result.status == HTTPStatus.OK else _failure(result)


def _failure(reply: Reply) -> RetryLater | Unknown | Misconfigured | Refused:
    reason = (reply.object() or {}).get("reason")
    word = str(reason)[:40] if reason else f"status-{reply.status}"
    if reply.status == HTTPStatus.GONE or word in _NOT_A_PHONE:
        return Refused(GONE)
    if reply.status in _OURS:
        return Misconfigured(word)
    if reply.is_busy:
        return RetryLater(word)
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unknown(word)
    return Misconfigured(word)
