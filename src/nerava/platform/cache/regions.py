"""A region of the cache: what lives how long, under which licence, and how much of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final

ANY_REFUSAL: Final = "*"
MISCONFIGURED: Final = "misconfigured"
NOTHING: Final = timedelta(0)
ENTRIES_MAX: Final = 2_000
ENTRY_BYTES_MAX: Final = 256 * 1_024
BYTES_MAX: Final = 16 * 1_024 * 1_024
PATIENCE_S: Final = 2.5


@dataclass(frozen=True, slots=True)
class Region:
    """What holds for one kind of answers.

    Attributes:
        name: As counters and keys say it.
        source: Who said it.
        licence: Under which terms it is kept, in a word.
        fresh: How long it is as good as new; the real time is up to a tenth shorter or longer.
        stale: After that: for how long it is given out at once while a new one is fetched.
        on_error: After `fresh`: for how long it is given out when nobody can be asked.
        empty: How long an answer with nothing in it is fresh; None as long as others. It is not given
            out after that.
        refusals: How long a refusal is kept, by its code, in lower case and with hyphens; `*` is every
            other one. `misconfigured` is for every `Misconfigured`, which only this process keeps.
            Nothing else that failed is kept.
        fresh_is_limit: The terms forbid more than `fresh`; the real time is only ever shorter.
        is_shared: Other processes get it by way of Redis; false for secrets.
        version: Part of the keys; another one forgets everything.
        entries_max: In the memory of a process.
        bytes_max: In the memory of a process, all entries together.
        entry_bytes_max: Of one entry; larger ones are not kept.
        patience_s: For how long a caller without a deadline waits for somebody else's call.
    """

    name: str
    source: str
    licence: str
    fresh: timedelta
    stale: timedelta = NOTHING
    on_error: timedelta = NOTHING
    empty: timedelta | None = None
    refusals: Mapping[str, timedelta] = field(default_factory=lambda: MappingProxyType({}))
    fresh_is_limit: bool = False
    is_shared: bool = True
    version: int = 1
    entries_max: int = ENTRIES_MAX
    bytes_max: int = BYTES_MAX
    entry_bytes_max: int = ENTRY_BYTES_MAX
    patience_s: float = PATIENCE_S

    def place_of(self, key: str) -> str:
        """Return where a key lives; a digest, because a key may say where somebody is."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:40]
        return f"nerava:{self.name}:{self.version}:{digest}"

    def kept_for(self, code: str) -> timedelta:
        """Return how long a refusal is kept; zero is not at all."""
        return self.refusals.get(code.lower().replace("_", "-"), self.refusals.get(ANY_REFUSAL, NOTHING))

    @property
    def kept_at_most(self) -> timedelta:
        """Return after which time nothing of an entry is of use any more."""
        longest = max(self.fresh, self.empty or NOTHING, *self.refusals.values(), NOTHING)
        return longest * 11 // 10 + max(self.stale, self.on_error)
