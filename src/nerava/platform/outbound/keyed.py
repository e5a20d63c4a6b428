"""What adapters have in common that call one API with one key."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from nerava.platform.live_secrets import Given, live
from nerava.platform.outbound.client import Outbound, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class KeyedApi:
    """Holds the key and the connections. Safe to share between threads.

    Attributes:
        address: Where the API is, unless another address is given.
    """

    address: ClassVar[str]

    def __init__(
        self,
        key: Given,
        *,
        base_url: str | None = None,
        now: Callable[[], datetime],
        surroundings: Surroundings | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._key = live(key)
        self._outbound = Outbound(
            self.address if base_url is None else base_url, now=now, surroundings=surroundings, pause=pause
        )

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()
