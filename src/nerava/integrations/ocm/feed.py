"""Points of Open Charge Map as feeds: one for each who gave rows, because each has a licence of its own."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from nerava.discovery.feeds import BATCH_MAX, Batch, Reject
from nerava.integrations.ocm.reading import provider_of, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nerava.discovery.feeds import Attribution
    from nerava.discovery.records import SiteRecord
    from nerava.kernel.geography import Box

CLOSED: Final = "closed-licence"


class OcmFeed:
    """A `Feed` of the rows of one provider. It says nothing about what is absent: people remove and add."""

    coverage: Box | None = None
    absences_max = 1

    def __init__(
        self,
        source: str,
        attribution: Attribution,
        records: Sequence[SiteRecord],
        rejects: Sequence[Reject],
    ) -> None:
        self.source = source
        self.attribution = attribution
        self.total: int | None = len(records)
        self._records = records
        self._rejects = rejects
        self.fingerprint = hashlib.sha256(repr(records).encode()).hexdigest()[:32]

    def batches(self, resume_at: str | None) -> Iterator[Batch]:
        """Yield the rows by their ids, from where it stopped."""
        begin = int(resume_at or 0)
        for at in range(begin, len(self._records), BATCH_MAX):
            rejects = self._rejects if at == 0 else ()
            yield Batch(self._records[at : at + BATCH_MAX], str(at + BATCH_MAX), rejects)


def feeds_of(points: Sequence[dict[str, Any]]) -> tuple[list[OcmFeed], list[Reject]]:
    """Return a feed for each provider of open rows, and the rows of those who keep theirs to themselves."""
    records: dict[str, dict[int, SiteRecord]] = defaultdict(dict)
    rejects: dict[str, list[Reject]] = defaultdict(list)
    terms: dict[str, Attribution] = {}
    closed: list[Reject] = []
    for row, point in enumerate(points, 1):
        source, attribution, is_open = provider_of(point)
        if not is_open:
            closed.append(Reject(row, str(point.get("ID")), CLOSED, attribution.text))
            continue
        terms[source] = attribution
        found = read(point, row)
        if isinstance(found, Reject):
            rejects[source].append(found)
        else:
            records[source][int(found.reference)] = found
    feeds = [
        OcmFeed(source, terms[source], [one for _, one in sorted(mine.items())], rejects[source])
        for source, mine in sorted(records.items())
    ]
    return feeds, closed
