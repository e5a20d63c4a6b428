"""What the product asks of those who bring passes into phones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from nerava.kernel.outcomes import Outcome

GONE: str = "gone"
"""The refusal for a phone that is not there any more."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a pass shows.

    Attributes:
        serial: Names the pass, and is what its QR code says: a till can do nothing with it.
        points: Free to spend, in Nova.
        tier: The driver's tier, as one word.
        is_voided: It shows nothing any more.
    """

    serial: str
    points: int
    tier: str
    is_voided: bool


@dataclass(frozen=True, slots=True)
class AppleDetails:
    """What makes a pass one that Apple's phones keep up to date.

    Attributes:
        token: With what a phone proves that it has the pass.
        service_url: Where it asks for news.
    """

    token: str = field(repr=False)
    service_url: str


class ApplePasses(Protocol):
    """Passes of Apple. Calls end within their deadlines and never raise for an outcome."""

    pass_type: str

    @property
    def expires_at(self) -> datetime:
        """When the certificate ends that passes are signed with, aware UTC."""

    def build(self, content: Content, details: AppleDetails) -> bytes:
        """Return a signed pass; asks nobody outside."""

    def push(self, push_token: str) -> Outcome[None]:
        """Let a phone ask for news. Repeats safely. `Refused(GONE)` if the phone is not there any more."""

    def close(self) -> None:
        """Close the connections."""


class GooglePasses(Protocol):
    """Passes of Google. Calls end within their deadlines and never raise for an outcome."""

    def save_link(self, content: Content, now: datetime) -> str:
        """Return where somebody saves their pass; asks nobody outside."""

    def put(self, content: Content, *, is_known: bool) -> Outcome[None]:
        """Have Google show this, in a new object or in the one that is there. Repeats safely.

        Args:
            content: What to show.
            is_known: Whether it took the object before; what is found out otherwise is acted on.
        """

    def close(self) -> None:
        """Close the connections."""
