"""An event as a provider told it, who checks that it was the provider, and what working on it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias

from nerava.kernel.errors import NeravaError


class SignatureRefused(NeravaError):
    """The message was not signed by the provider, too long ago, or with a secret of somebody else's."""

    code = "signature-refused"
    status = HTTPStatus.UNAUTHORIZED
    title = "The signature is missing or wrong"


class EventUnreadable(NeravaError):
    """The provider signed something that is not an event of its own form."""

    code = "event-unreadable"
    status = HTTPStatus.BAD_REQUEST
    title = "This is not an event of the provider"


class ProviderOff(NeravaError):
    """Nobody here listens to this provider; nothing was stored."""

    code = "provider-off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The provider is not connected"
    retry_after_s = 300


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """Something that happened at a provider; for money it is a hint that something is worth reading.

    Attributes:
        account: The account at the provider that it happened to; empty when it is our own.
        kind: The provider's word, such as `payout.paid`.
        object_id: The provider's name for what it happened to.
        created_s: When it happened, Unix seconds, as the provider says; never proof of order.
    """

    provider: str
    account: str
    event_id: str
    kind: str
    object_id: str
    created_s: int
    body: Mapping[str, Any]


class Handled(Enum):
    """What working on an event came to."""

    DONE = auto()
    LATER = auto()
    """It is about something that is not known yet: the event was faster than our own commit."""
    IGNORED = auto()


Handler: TypeAlias = Callable[[ProviderEvent, datetime], Handled]
"""Works on an event at an instant (aware UTC). Safe to repeat, in any order; may raise."""


class Receiver(Protocol):
    """Knows how one provider signs and what its events look like."""

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
        """Check the signature over the bytes as they came, and only then read them.

        Args:
            headers: With names in lower case.
            body: The bytes of the request.
            now: The instant of the request, aware UTC.

        Raises:
            SignatureRefused: Missing, wrong, or too old (401).
            EventUnreadable: Signed, but no event (400).
        """


Challenge: TypeAlias = Callable[[bytes], Mapping[str, str] | None]
"""Answers a provider that asks whether we know its secret; None where the body is no such question.

Nothing else comes of it. Raises `EventUnreadable` for what could be the proof of something else.
"""
