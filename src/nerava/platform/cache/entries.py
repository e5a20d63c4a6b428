"""An entry of the cache: a value or a refusal, with its instants, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from dogpile.cache.api import CantDeserializeException

from nerava.kernel.outcomes import Ok, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.platform.cache.regions import Region

JITTER: Final = 0.1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """What was said, by whom, and until when it may be given out. Instants are milliseconds since 1970.

    Attributes:
        refused: The code of a refusal; None if it is a value.
        source: Who said it.
        licence: Under which terms it is kept.
    """

    value: Any
    refused: str | None
    message: str
    fetched_at: int
    fresh_until: int
    stale_until: int
    error_until: int
    source: str
    licence: str

    @property
    def outcome(self) -> Ok[Any] | Refused:
        """What the other side answered."""
        return Ok(self.value) if self.refused is None else Refused(self.refused, self.message)

    @property
    def as_of(self) -> datetime:
        """When it was said, aware UTC."""
        return _EPOCH + self.fetched_at * _MILLISECOND


def milliseconds(at: datetime) -> int:
    """Return an instant as milliseconds since 1970, rounded down."""
    return (at - _EPOCH) // _MILLISECOND


def entry_of(
    region: Region,
    outcome: Ok[Any] | Refused,
    at: datetime,
    fresh: timedelta | None,
    chance: Callable[[], float],
) -> Entry | None:
    """Return the entry for an outcome that may be kept; None if it may not.

    Args:
        region: Says how long.
        outcome: What was answered.
        at: When.
        fresh: How long this one is fresh, instead of what the region says; never stretched.
        chance: From 0 to 1, spreads the ends of what was fetched together.
    """
    is_value = isinstance(outcome, Ok)
    lasting = fresh if fresh is not None and is_value else _lasting(region, outcome)
    if lasting <= timedelta(0):
        return None
    stretched = region.fresh_is_limit or fresh is not None
    share = -JITTER * chance() if stretched else JITTER * (2 * chance() - 1)
    until = milliseconds(at + lasting + lasting * share)
    outlives = is_value and not (region.empty is not None and _is_empty(outcome))
    return Entry(
        outcome.value if isinstance(outcome, Ok) else None,
        None if isinstance(outcome, Ok) else outcome.code,
        "" if isinstance(outcome, Ok) else outcome.message,
        milliseconds(at),
        until,
        until + (region.stale // _MILLISECOND if outlives else 0),
        until + (region.on_error // _MILLISECOND if outlives else 0),
        region.source,
        region.licence,
    )


def _lasting(region: Region, outcome: Ok[Any] | Refused) -> timedelta:
    if isinstance(outcome, Refused):
        return region.kept_for(outcome.code)
    return region.empty if region.empty is not None and _is_empty(outcome) else region.fresh


def _is_empty(outcome: Ok[Any] | Refused) -> bool:
    return isinstance(outcome, Ok) and not outcome.value


def written(entry: Entry) -> bytes:
    """Return an entry as JSON.

    Raises:
        TypeError: Its value is not made of what JSON has; our own mistake.
        ValueError: It holds a number that JSON has not.
    """
    return json.dumps(asdict(entry), separators=(",", ":"), allow_nan=False).encode()


def read(text: bytes) -> Entry:
    """Return the entry that a JSON text holds.

    Raises:
        CantDeserializeException: It is none of ours.
    """
    try:
        return Entry(**json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise CantDeserializeException from None
