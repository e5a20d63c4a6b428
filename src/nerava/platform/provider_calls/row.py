"""A kind of call to another machine, as a row of the table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nerava.platform.cache import Region
    from nerava.platform.outbound import CallPolicy

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One kind of call.

    Attributes:
        call: How long and how often.
        partition: What fails and is counted together: the `partition` that an adapter passes to `ask`.
        licence: What may be kept of the answer, and what has to be shown with it.
        region: What the cache keeps; None if it keeps nothing.
        once: Who shares one call.
        kept_elsewhere: Where what is known lies, if not in the cache.
        note: What is particular about it.
    """

    call: CallPolicy
    partition: str
    licence: str
    region: Region | None = None
    once: str = "-"
    kept_elsewhere: str = "-"
    note: str = ""


def refusals(**kept: timedelta) -> MappingProxyType[str, timedelta]:
    """Return how long refusals are kept, by code; an underline is a hyphen."""
    return MappingProxyType({name.replace("_", "-"): span for name, span in kept.items()})


DENIED: Final = refusals(misconfigured=60 * SECOND)
"""A key that does not work is not tried with every request, and somebody has to look."""
