"""What an adapter gives to an import: batches of records, what it could not read, and on what terms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from nerava.kernel.geography import Box

if TYPE_CHECKING:
    from nerava.discovery.records import Record

BATCH_MAX: Final = 2_000
"""Records of a batch at most; each batch is one transaction of the staging."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is no record.

    Attributes:
        row: Where a person finds it: the line of a file, the position in an answer; None if neither helps.
        reference: Its own name, if it has one.
        reason: A word in kebab-case that rejects are counted by: `no-position`, `no-name`.
        detail: One sentence for people.
    """

    row: int | None
    reference: str | None
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are staged together; `position` is where `batches` goes on after them."""

    records: Sequence[Record]
    position: str
    rejects: Sequence[Reject] = ()


@dataclass(frozen=True, slots=True)
class Attribution:
    """What must be shown wherever rows of a source are: a sentence, its link, and the licence."""

    text: str
    url: str
    licence: str


class Feed(Protocol):
    """Rows of one source, in an order that is the same at every reading.

    Attributes:
        source: The name under which rows are kept: `osm`, `nlr`, `ocm`, `ocpi:DE*ABC`, `csv:mine`.
            Letters, digits, `:`, `*`, `.`, `_`, `-`; at most 80.
        fingerprint: Says whether an interrupted import may be gone on with: a hash of the file, or the
            `last_updated` of the provider, and of the options that decide what is read.
        attribution: Kept with every row.
        coverage: The box within which the feed is complete: rows of this source in it that are in no
            batch have vanished. None where it says nothing about what is absent (one page, one box of
            a provider): then nothing vanishes.
        absences_max: After how many complete imports in a row without it a row is marked gone: 1 for a
            file, 2 for a provider whose pages move while they are read (NLR).
        total: How many rows there are, for the progress; None if nobody knows beforehand.
    """

    @property
    def source(self) -> str: ...  # noqa: D102 - said above

    @property
    def fingerprint(self) -> str: ...  # noqa: D102 - said above

    @property
    def attribution(self) -> Attribution: ...  # noqa: D102 - said above

    @property
    def coverage(self) -> Box | None: ...  # noqa: D102 - said above

    @property
    def absences_max(self) -> int: ...  # noqa: D102 - said above

    @property
    def total(self) -> int | None: ...  # noqa: D102 - said above

    def batches(self, resume_at: str | None) -> Iterator[Batch]:
        """Yield the batches after `resume_at` (a `position` of an earlier one), or all.

        May raise a NeravaError; what was staged stays, and the next run goes on there. A record that
        comes twice counts once, the later one.
        """
        ...


WHOLE_WORLD: Final = Box(-90, 90, -180, 180)
"""The coverage of a feed that is all of its source."""
