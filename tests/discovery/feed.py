"""A feed out of a list, which can stop in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nerava.discovery.feeds import WHOLE_WORLD, Attribution, Batch, Reject
from nerava.discovery.records import Category, PlaceRecord, Record, SiteRecord
from nerava.kernel.geography import Box, Point

TERMS = Attribution("© a source", "https://example.org/copyright", "ODbL-1.0")
HELSINKI = Point(60.17, 24.94)


class Killed(Exception):
    """The process dies here."""


@dataclass
class ListFeed:
    """Rows of a list, a few at a time; `dies_after` so many batches."""

    records: Sequence[Record]
    source: str = "osm"
    fingerprint: str = "one"
    coverage: Box | None = WHOLE_WORLD
    absences_max: int = 1
    batch: int = 3
    dies_after: int | None = None
    rejects: Sequence[Reject] = ()
    asked: list[str | None] = field(default_factory=list)
    attribution: Attribution = TERMS

    @property
    def total(self) -> int:
        return len(self.records)

    def batches(self, resume_at: str | None) -> Iterator[Batch]:
        self.asked.append(resume_at)
        for number, at in enumerate(range(int(resume_at or 0), len(self.records), self.batch)):
            if number == self.dies_after:
                raise Killed
            rejects = self.rejects if at == 0 else ()
            yield Batch(self.records[at : at + self.batch], str(at + self.batch), rejects)


def place(number: int, *, east_m: int = 0, **facts: object) -> PlaceRecord:
    """A café some metres east of the middle of Helsinki."""
    values: dict[str, object] = {
        "reference": f"n{number}",
        "name": f"Café {number}",
        "category": Category.CAFE,
        "position": Point(HELSINKI.latitude, HELSINKI.longitude + east_m / 55_300),
    }
    return PlaceRecord(**{**values, **facts})  # type: ignore[arg-type]


def site(number: int, *, east_m: int = 0, **facts: object) -> SiteRecord:
    """A charging site some metres east of the middle of Helsinki."""
    values: dict[str, object] = {
        "reference": f"n{number}",
        "name": f"Charging {number}",
        "position": Point(HELSINKI.latitude, HELSINKI.longitude + east_m / 55_300),
    }
    return SiteRecord(**{**values, **facts})  # type: ignore[arg-type]
