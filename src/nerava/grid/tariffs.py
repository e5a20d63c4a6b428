"""Tariffs by time of use, in the shape of the Utility Rate Database, and the periods of a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nerava.charging.evidence import EPOCH, SECOND_US
from nerava.charging.zones import zone as zone_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MONTHS: Final = 12
HOURS: Final = 24
SATURDAY: Final = 6
QUARTER: Final = timedelta(minutes=15)
"""The clocks of no zone differ from UTC by less than whole quarters of an hour, nor change between them."""

Schedule = tuple[tuple[int, ...], ...]


class BadTariff(ValueError):
    """A tariff does not say what it costs at every hour of the year."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A price per kilowatt-hour, in the tariff's currency, up to so much in a month; None is no end."""

    rate: Decimal
    adjustment: Decimal = Decimal(0)
    most_kwh: Decimal | None = None

    @property
    def price(self) -> Decimal:
        """What a kilowatt-hour costs in it."""
        return self.rate + self.adjustment


class TariffName(NamedTuple):
    """Whose tariff, and which; its versions follow one another under one name."""

    utility: str
    name: str


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version of a tariff.

    Attributes:
        reference: What its source calls this version.
        starts_on, ends_on: First and last local date on which it holds; None is always.
        periods: The tiers of each period.
        weekday, weekend: The number of the period for each month and hour of the local clock.

    Raises:
        BadTariff: A schedule is not 12 by 24, or names a period that has no tiers.
    """

    source: str
    reference: str
    called: TariffName
    starts_on: date | None
    ends_on: date | None
    periods: tuple[tuple[Tier, ...], ...]
    weekday: Schedule
    weekend: Schedule

    def __post_init__(self) -> None:
        """Look at the shape."""
        for schedule in (self.weekday, self.weekend):
            if len(schedule) != MONTHS or any(len(row) != HOURS for row in schedule):
                message = "a schedule has 12 months of 24 hours"
                raise BadTariff(message)
            if any(not 0 <= period < len(self.periods) for row in schedule for period in row):
                message = "a schedule names a period that there is not"
                raise BadTariff(message)
        if not self.periods or not all(self.periods):
            message = "every period has a price"
            raise BadTariff(message)
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            message = "a tariff ends after it starts"
            raise BadTariff(message)

    def holds_on(self, day: date) -> bool:
        """Return whether it holds on a local date."""
        return (self.starts_on or date.min) <= day <= (self.ends_on or date.max)

    def period_at(self, local: datetime) -> int:
        """Return the period of a local time."""
        schedule = self.weekend if local.isoweekday() >= SATURDAY else self.weekday
        return schedule[local.month - 1][local.hour]

    def price_at(self, local: datetime, used_kwh: Decimal = Decimal(0)) -> Decimal:
        """Return what the next kilowatt-hour costs at a local time, after so much in the month."""
        tiers = self.periods[self.period_at(local)]
        return next(
            (one.price for one in tiers if one.most_kwh is None or used_kwh < one.most_kwh), tiers[-1].price
        )

    def document(self) -> dict[str, Any]:
        """Return periods and schedules as JSON; prices as decimal text."""
        return {
            "periods": [
                [
                    [str(one.rate), str(one.adjustment), None if one.most_kwh is None else str(one.most_kwh)]
                    for one in tiers
                ]
                for tiers in self.periods
            ],
            "weekday": [list(row) for row in self.weekday],
            "weekend": [list(row) for row in self.weekend],
        }


def periods_of_document(stored: dict[str, Any]) -> tuple[tuple[Tier, ...], ...]:
    """Return the tiers of each period from the JSON form."""
    return tuple(
        tuple(
            Tier(Decimal(rate), Decimal(adjustment), None if most is None else Decimal(most))
            for rate, adjustment, most in tiers
        )
        for tiers in stored["periods"]
    )


def schedule_of(rows: Sequence[Sequence[int]]) -> Schedule:
    """Return a schedule as tuples."""
    return tuple(tuple(row) for row in rows)


class PeriodSpan(NamedTuple):
    """A part of a session's time, in seconds since 1970, in which one period of one version held."""

    starts_s: int
    ends_s: int
    period: int
    reference: str


class TariffFacts(NamedTuple):
    """Which period of a tariff held when, for the time of one session; gaps where no version held."""

    spans: tuple[PeriodSpan, ...] = ()

    def covered_us(
        self, started_at: datetime, ended_at: datetime, fits: Callable[[int], bool] = lambda _period: True
    ) -> int:
        """Return for how many microseconds between two instants a period held that fits."""
        return sum(
            max(
                0,
                min(one.ends_s * SECOND_US, _us(ended_at)) - max(one.starts_s * SECOND_US, _us(started_at)),
            )
            for one in self.spans
            if fits(one.period)
        )

    def document(self) -> list[list[int | str]]:
        """Return it as JSON, for decisions."""
        return [list(one) for one in self.spans]

    @classmethod
    def of_document(cls, stored: Iterable[Sequence[Any]]) -> TariffFacts:
        """Return what `document` made."""
        return cls(tuple(PeriodSpan(*one) for one in stored))


def in_force(versions: Iterable[Tariff], day: date) -> Tariff | None:
    """Return the version that holds on a local date: of several the one that started last.

    One that starts later or has ended does not hold, whatever came first.
    """
    holding = [one for one in versions if one.holds_on(day)]
    return max(holding, key=lambda one: (one.starts_on or date.min, one.reference), default=None)


def spans_of(
    versions: Sequence[Tariff], started_at: datetime, ended_at: datetime, timezone: str
) -> TariffFacts:
    """Return the periods between two instants, read by the local clock.

    An hour that happens twice counts twice, and of one that is skipped there is nothing.
    """
    zone = zone_of(timezone)
    spans: list[PeriodSpan] = []
    held: dict[date, Tariff | None] = {}
    at = started_at - (started_at - EPOCH) % QUARTER
    while at < ended_at:
        local = at.astimezone(zone)
        day = local.date()
        if day not in held:
            held[day] = in_force(versions, day)
        tariff = held[day]
        starts_s, ends_s = _us(at) // SECOND_US, _us(at + QUARTER) // SECOND_US
        at += QUARTER
        if tariff is None:
            continue
        span = PeriodSpan(starts_s, ends_s, tariff.period_at(local), tariff.reference)
        if spans and spans[-1].ends_s == starts_s and spans[-1][2:] == span[2:]:
            spans[-1] = spans[-1]._replace(ends_s=ends_s)
        else:
            spans.append(span)
    return TariffFacts(tuple(spans))


def _us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)
