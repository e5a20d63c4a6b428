"""All stations as a feed: state by state, streamed, from where it stopped, whenever something moved."""

from __future__ import annotations

import hashlib
import tempfile
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from nerava.discovery.feeds import BATCH_MAX, WHOLE_WORLD, Batch, Reject
from nerava.integrations.nlr.reading import ATTRIBUTION, read
from nerava.integrations.nlr.regions import REGIONS
from nerava.integrations.nlr.stations_stream import NotStations, stations_in
from nerava.kernel.errors import NeravaError
from nerava.kernel.outcomes import Ok, Outcome, Unknown
from nerava.platform.provider_calls import NLR_NEAREST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from nerava.discovery.feeds import Attribution
    from nerava.discovery.records import SiteRecord
    from nerava.integrations.nlr.api import NlrApi
    from nerava.integrations.nlr.regions import Region
    from nerava.kernel.geography import Box

SOURCE: Final = "nlr"
LOADS_UNTIL_GONE: Final = 2
RELOADED_AFTER_DAYS: Final = 7
MEMORY_MAX: Final = 8 * 1_024 * 1_024
"""Bytes of an answer that are held in memory; longer ones go to a file."""


class StationsUnavailable(NeravaError):
    """The provider of stations could not be read to the end."""

    code = "stations-unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The provider of stations cannot be read now"


class NlrFeed:
    """A `Feed` of everything, or of some states; of some it says nothing about what is absent.

    `fingerprint` changes when `last_updated` moved and otherwise every seven days, because that date
    may stand still: whoever imported this fingerprint has nothing to do.
    """

    source = SOURCE
    attribution: Attribution = ATTRIBUTION
    absences_max = LOADS_UNTIL_GONE
    total: int | None = None

    def __init__(self, api: NlrApi, last_updated: str, now: datetime, regions: Sequence[Region]) -> None:
        self._api = api
        self._regions = tuple(regions)
        period = now.toordinal() // RELOADED_AFTER_DAYS
        chosen = hashlib.sha256(",".join(map("-".join, self._regions)).encode()).hexdigest()[:12]
        self.fingerprint = f"{last_updated}/{period}/{chosen}"
        self.coverage: Box | None = WHOLE_WORLD if self._regions == REGIONS else None

    def batches(self, resume_at: str | None) -> Iterator[Batch]:
        """Yield the stations of one state after the other; goes on with the state that was not finished.

        Raises:
            StationsUnavailable: The provider says no, or its answer is none (503).
        """
        names = [f"{region.country}-{region.state}" for region in self._regions]
        begin = names.index(resume_at) + 1 if resume_at in names else 0
        done = resume_at or ""
        for region, name in list(zip(self._regions, names, strict=True))[begin:]:
            yield from self._batches_of(region, done, name)
            done = name

    def _batches_of(self, region: Region, before: str, name: str) -> Iterator[Batch]:
        query = (
            ("fuel_type", "ELEC"),
            ("country", region.country),
            ("state", region.state),
            ("status", "all"),
            ("access", "all"),
            ("limit", "all"),
        )
        with tempfile.SpooledTemporaryFile(max_size=MEMORY_MAX) as file:
            loaded = self._api.download("/v1.json", query, file)  # type: ignore[arg-type]
            if not isinstance(loaded, Ok):
                raise StationsUnavailable(f"NLR, {name}: {loaded.code}", code=loaded.code)
            records: list[SiteRecord] = []
            rejects: list[Reject] = []
            try:
                for row, station in enumerate(stations_in(file), 1):  # type: ignore[arg-type]
                    found = read(station, row)
                    if isinstance(found, Reject):
                        rejects.append(found)
                    else:
                        records.append(found)
                    if len(records) + len(rejects) == BATCH_MAX:
                        # Not the end of the state: whoever goes on from here loads it once more.
                        yield Batch(records, before, rejects)
                        records, rejects = [], []
            except NotStations as error:
                raise StationsUnavailable(f"NLR, {name}: {error}", code="schema-drift") from error
            yield Batch(records, name, rejects)


def open_feed(api: NlrApi, now: datetime, regions: Sequence[Region] = REGIONS) -> Outcome[NlrFeed]:
    """Ask when NLR's data changed last, and return the feed of that state of them."""
    asked = api.get(NLR_NEAREST.call, "/v1/last-updated.json")
    if not isinstance(asked, Ok):
        return asked
    told = asked.value.get("last_updated")
    return (
        Ok(NlrFeed(api, told, now, regions))
        if isinstance(told, str)
        else Unknown("schema-drift:last_updated")
    )
