"""What a kilowatt-hour emits, by time: one form for every source, and what a session saw of it.

Carbon is whole milligrams of CO2 per kilowatt-hour: 1 kg/kWh is 1,000,000. Time is UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nerava.charging.evidence import EPOCH, MICROSECOND, SECOND_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

MG_PER_KWH_MAX: Final = 3_000_000
"""No grid emits so much: three times the worst coal. What is above was read in a wrong unit."""


class Signal(StrEnum):
    """What a number means. The two are different things and are never mixed."""

    MARGINAL = "marginal"
    """What one more kilowatt-hour emits."""

    AVERAGE = "average"
    """What all kilowatt-hours together emit, divided among them."""


class Unit(StrEnum):
    """In which a source speaks."""

    LB_PER_MWH = "lb/MWh"
    KG_PER_MWH = "kg/MWh"
    KG_PER_KWH = "kg/kWh"
    G_PER_KWH = "g/kWh"


_MG_PER_KWH: Final = {
    Unit.LB_PER_MWH: Decimal("453.59237"),
    Unit.KG_PER_MWH: Decimal(1_000),
    Unit.KG_PER_KWH: Decimal(1_000_000),
    Unit.G_PER_KWH: Decimal(1_000),
}


def mg_per_kwh(value: Decimal | int, unit: Unit) -> int | None:
    """Return milligrams per kilowatt-hour, half to even; None for what no grid emits."""
    found = (Decimal(value) * _MG_PER_KWH[unit]).quantize(Decimal(1), ROUND_HALF_EVEN)
    return int(found) if 0 <= found <= MG_PER_KWH_MAX else None


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the grid as one source names it, for one signal."""

    source: str
    name: str
    signal: Signal

    def __str__(self) -> str:
        """Return it as people and decisions name it."""
        return f"{self.source}:{self.name}"


class Interval(NamedTuple):
    """What a kilowatt-hour emitted, or by a forecast will emit, between two instants; whole seconds, UTC."""

    starts_at: datetime
    ends_at: datetime
    mg_per_kwh: int
    is_settled: bool = True


class Stretch(NamedTuple):
    """A part of a session's time, in seconds since 1970, and what a kilowatt-hour emitted in it."""

    starts_s: int
    ends_s: int
    mg_per_kwh: int


class CarbonFacts(NamedTuple):
    """What is known about the time of one session for one signal: only settled values.

    Attributes:
        region: As `Region` is written; empty where the site lies in none that is known.
        is_final: Whether nothing more is waited for: every moment is known, or it took too long.
    """

    region: str
    is_final: bool
    stretches: tuple[Stretch, ...] = ()

    def covered_us(
        self, started_at: datetime, ended_at: datetime, fits: Callable[[int], bool] = lambda _mg: True
    ) -> int:
        """Return for how many microseconds between two instants a value is known that fits."""
        start, end = _us(started_at), _us(ended_at)
        return sum(_inside(one, start, end) for one in self.stretches if fits(one.mg_per_kwh))

    def emitted_mg(self, started_at: datetime, ended_at: datetime, energy_wh: int) -> int:
        """Return what evenly delivered energy emitted where it is known, in milligrams, rounded down."""
        start, end = _us(started_at), _us(ended_at)
        if end <= start:
            return 0
        weighted = sum(_inside(one, start, end) * one.mg_per_kwh for one in self.stretches)
        return energy_wh * weighted // ((end - start) * 1_000)

    def document(self) -> dict[str, Any]:
        """Return it as JSON, for decisions."""
        return {
            "region": self.region,
            "is_final": self.is_final,
            "stretches": [list(one) for one in self.stretches],
        }

    @classmethod
    def of_document(cls, stored: dict[str, Any]) -> CarbonFacts:
        """Return what `document` made."""
        stretches = tuple(Stretch(*one) for one in stored["stretches"])
        return cls(stored["region"], stored["is_final"], stretches)


def stretches_of(
    intervals: Iterable[Interval], started_at: datetime, ended_at: datetime
) -> tuple[Stretch, ...]:
    """Return the settled intervals that a session met, by start; no moment counts twice."""
    found: list[Stretch] = []
    first, last = _us(started_at), _us(ended_at)
    at = first // SECOND_US
    for one in sorted(intervals):
        starts_s, ends_s = max(_us(one.starts_at) // SECOND_US, at), _us(one.ends_at) // SECOND_US
        if (
            one.is_settled
            and starts_s < ends_s
            and starts_s * SECOND_US < last
            and ends_s * SECOND_US > first
        ):
            found.append(Stretch(starts_s, ends_s, one.mg_per_kwh))
            at = ends_s
    return tuple(found)


def _inside(one: Stretch, start_us: int, end_us: int) -> int:
    return max(0, min(one.ends_s * SECOND_US, end_us) - max(one.starts_s * SECOND_US, start_us))


def _us(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND
