"""Writes `docs/outbound.md`: every kind of call to another machine, as the product makes it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nerava.platform.outbound.breaker import CALLS_MIN, OPEN_S, WINDOW_S
from nerava.platform.outbound.health import CALLS_AT_ONCE
from nerava.platform.outbound.policy import (
    ANSWER_BYTES_MAX,
    ATTEMPTS,
    BACKOFF_MAX_S,
    BACKOFF_S,
    JOB_BACKOFF_MAX_S,
)
from nerava.platform.provider_calls import BULK_BYTES_MAX, ProviderCall, every_call

if TYPE_CHECKING:
    from nerava.platform.cache import Region
    from nerava.platform.outbound import CallPolicy

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "outbound.md"

_COLUMNS: Final = (
    "call",
    "connect / read",
    "total",
    "attempts",
    "tried again",
    "429",
    "partition",
    "fresh / stale / on error",
    "one call",
    "refusals kept",
    "may be kept",
    "particular",
)
_OPENING: Final = f"""\
# Calls to other machines

Made from `platform/provider_calls` by `python -m tools.outbound_table`; a test keeps both equal. Other
times and fewer attempts of an installation: `NERAVA_OUTBOUND__CALLS`.

- **Deadline**: `total` holds for all attempts, the waits between them and the last byte. A caller with less
  time left (`caller_deadline`) passes that on. An attempt that could not finish is not begun.
- **Attempts**: at most {ATTEMPTS}; between them a random wait up to {BACKOFF_S:g} s, then twice as long,
  {BACKOFF_MAX_S:g} s at most ({JOB_BACKOFF_MAX_S:g} s in jobs). *any failure*: it never left, no answer came
  in time, or 5xx but 501. *before it left*: only what cannot have been carried out. Other 4xx, bad
  certificates, refused addresses and answers that are too long are never tried again. A budget of tokens per
  provider and process keeps the extra load of a total failure under 15 %.
- **429**: *waited for* means that it is tried again when its `Retry-After` fits into the deadline. What does
  not fit, an hour at most, is stored in the database for the partition (table `outbound_pause`): every worker
  obeys, also after a restart.
- **Breaker**, per partition: {CALLS_MIN} calls within {WINDOW_S:g} s and half of them failed: open for
  {OPEN_S:g} s, then one call decides. At most {CALLS_AT_ONCE} calls of a provider are on their way at once;
  one more is answered at once that it was not sent. Money skips both (*queue*): it waits in its own queue.
- **Cache**: fresh, then given out at once while a new one is fetched, then given out when nobody can be
  asked; the last two count from the end of the first, which is spread by a tenth. What is old says so and
  never makes a grant. Redis is optional: while it is down, slow or full, each process keeps its own.
- Answers above {ANSWER_BYTES_MAX // 1_048_576} MB are not read to their end (bulk files:
  {BULK_BYTES_MAX // 1_048_576} MB). Redirects are not followed. Compressed answers are not asked for.

Times in seconds unless marked.

| {" | ".join(_COLUMNS)} |
{"|---" * len(_COLUMNS)}|
"""


def document() -> str:
    """Return the text of the page."""
    return _OPENING + "".join(f"| {' | '.join(_cells(one))} |\n" for one in every_call())


def _cells(one: ProviderCall) -> list[str]:
    call = one.call
    return [
        call.name,
        f"{call.connect_s:g} / {call.read_s:g}",
        f"{call.total_s:g}",
        str(call.attempts),
        _again(call),
        "waited for" if call.waits_when_told else "not waited for",
        one.partition,
        one.kept_elsewhere if one.region is None else _ages(one.region),
        one.once,
        "-" if one.region is None else _refusals(one.region),
        one.licence,
        one.note or "-",
    ]


def _again(call: CallPolicy) -> str:
    if call.attempts == 1:
        return "-"
    return "any failure" if call.is_repeatable else "before it left"


def _ages(region: Region) -> str:
    return " / ".join(_span(one) for one in (region.fresh, region.stale, region.on_error))


def _refusals(region: Region) -> str:
    told = [f"{code} {_span(span)}" for code, span in region.refusals.items()]
    told += [] if region.empty is None else [f"empty {_span(region.empty)}"]
    return ", ".join(told) or "-"


def _span(span: timedelta) -> str:
    for unit, name in ((timedelta(days=2), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if span >= unit:
            return f"{span // (timedelta(days=1) if name == 'd' else unit)} {name}"
    return f"{span // timedelta(seconds=1)} s" if span else "none"


def main() -> None:
    """Write the page."""
    DOCUMENT.write_text(document())


if __name__ == "__main__":
    main()
