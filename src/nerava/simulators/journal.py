"""What the simulated providers were asked, and what they answered; tests assert on it."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.simulators.wire import Json

KEPT: Final = 20_000
"""Calls that are remembered; the oldest go first."""
_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"})
_SHOWN: Final = 4
"""Last characters of a secret that are shown."""


@dataclass(slots=True)
class Asked:
    """One call.

    Attributes:
        at: When, ISO 8601, on the clock of the simulated world.
        headers: As they came; of secrets only the last characters.
        status: What was answered; None while it is not, or when no answer was sent.
        fault: The kind of fault that was played.
        carried_out: The provider looked at it and did what it does.
    """

    number: int
    at: str
    provider: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str
    key: str | None
    status: int | None = None
    fault: str | None = None
    carried_out: bool = False

    def as_document(self) -> Json:
        """Return it as JSON."""
        return asdict(self)


class Journal:
    """The calls, oldest first."""

    def __init__(self) -> None:
        self._asked: deque[Asked] = deque(maxlen=KEPT)
        self._number = 0

    def write(self, asked: Asked) -> Asked:
        """Add a call and number it."""
        self._number += 1
        asked.number = self._number
        self._asked.append(asked)
        return asked

    def read(self, provider: str | None = None) -> list[Asked]:
        """Return the calls, of one provider or of all."""
        return [one for one in self._asked if provider is None or one.provider == provider]

    def clear(self) -> None:
        """Forget all."""
        self._asked.clear()
        self._number = 0


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers without their secrets."""
    return {name: f"***{value[-_SHOWN:]}" if name in _SECRET else value for name, value in headers.items()}
