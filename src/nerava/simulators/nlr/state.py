"""What the simulated Alternative Fuel Stations API believes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nerava.simulators.wire import Json


@dataclass(slots=True)
class NlrState:
    """Stations in the wire format, and who may ask how often.

    Attributes:
        key: Our key, 40 characters.
        stations: By id, those that the API tells of.
        gone: By id, those that it told of once.
        last_updated: When a station changed last.
        asked: By key, when each call of the last hour (of the last day for `DEMO_KEY`) came.
        blocked_until: By key, when its hour has rolled after it went over its limit.
        keys: What is wrong with a key, as the code that it is refused by.
        is_retired: The host answers 410 and nothing else.
        stands_still: `last_updated` no longer moves.
        vanishing: The station that is gone when the next page after the first is asked for.
    """

    key: str
    stations: dict[int, Json] = field(default_factory=dict)
    gone: dict[int, Json] = field(default_factory=dict)
    last_updated: datetime | None = None
    asked: dict[str, list[datetime]] = field(default_factory=dict)
    blocked_until: dict[str, datetime] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    hourly_limit: int = 1_000
    is_retired: bool = False
    stands_still: bool = False
    vanishing: int | None = None
