"""What engines of providers have in common that repeat nothing by a key, plan nothing, or tell nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nerava.simulators.wire import Answer, Call


class Keyless:
    """Carries out every call as it comes: nothing is repeated by a key."""

    def begin(self, call: Call) -> Answer | None:  # noqa: ARG002 - nothing repeats by a key
        """Let every call in."""
        return None

    def keep(self, call: Call, answer: Answer) -> None:
        """Keep nothing: what comes again is carried out again."""

    def abandon(self, call: Call) -> None:
        """Free nothing: no call holds anything before it is carried out."""


class Silent(Keyless):
    """Does nothing by itself either, and tells nobody anything."""

    answer_limit_s = 10
    retry_gaps_s: tuple[int, ...] = ()

    def due(self, action: str, subject: str) -> None:  # noqa: ARG002 - nothing is planned
        """Do nothing by itself."""
        message = f"nothing is called {action}"
        raise AssertionError(message)

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - tells nobody
        """Prove nothing: this provider tells nobody anything."""
        return {}
