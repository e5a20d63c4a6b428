"""W3C trace context: how a trace goes on from one program to the next."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
_SAMPLED: Final = 1


class Origin(NamedTuple):
    """A span of somebody else, or of ours in another process or another time.

    Attributes:
        trace_id: 32 hex digits.
        span_id: 64 bits.
        is_sampled: Whether who has it records this trace.
    """

    trace_id: str
    span_id: int
    is_sampled: bool


def origin_in(traceparent: str | None) -> Origin | None:
    """Return what a `traceparent` names; None if it is missing or is not one."""
    found = None if traceparent is None else TRACEPARENT.fullmatch(traceparent)
    if found is None or found[1] == "0" * 32 or found[2] == "0" * 16:
        return None
    return Origin(found[1], int(found[2], 16), bool(int(found[3], 16) & _SAMPLED))


def traceparent_of(trace_id: str, span_id: int) -> str:
    """Return the `traceparent` of a span that is recorded."""
    return f"00-{trace_id}-{span_id:016x}-01"
