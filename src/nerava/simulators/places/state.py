"""What the simulated Places API believes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nerava.simulators.wire import Json


@dataclass(slots=True)
class PlacesState:
    """Places in the wire format, and what was asked of them.

    Attributes:
        places: By id.
        dead: Ids that are no longer valid.
        asked: By method, when each call of the last minute came.
        quotas: By method, how many calls a minute are allowed.
        cost_millicents: Of all calls, in thousandths of a cent.
        billed: Calls by method and tier of their mask.
        photo_mark: A part of the names of photos; a new one makes all old names worthless.
    """

    key: str
    photo_mark: str
    places: dict[str, Json] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    asked: dict[str, list[datetime]] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)
    cost_millicents: int = 0
    billed: Counter[tuple[str, str]] = field(default_factory=Counter)
