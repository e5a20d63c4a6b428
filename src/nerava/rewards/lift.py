"""What a campaign changed: drivers who were paid against drivers who were held out; no I/O, no money."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DRIVERS_MIN: Final = 5
SESSIONS_MIN: Final = 30
"""A group of fewer drivers or sessions is too few to say anything, and to hide anybody."""

_Z95: Final = 1.959964


class DriverSum(NamedTuple):
    """What one driver did in the window, nothing included. Energy in watt-hours."""

    sessions: int = 0
    energy_wh: int = 0
    off_peak_wh: int = 0


@dataclass(frozen=True, slots=True)
class Arm:
    """One side: how many drivers and sessions, and the averages of a driver."""

    drivers: int
    sessions: int
    sessions_per_driver: float
    kwh_per_driver: float
    off_peak_share: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Treated less held out, and the interval that holds the truth in 95 of 100 such campaigns."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Lift:
    """The comparison. Where a side has too few, `is_too_few` and nothing else."""

    is_too_few: bool
    treated: Arm | None = None
    holdout: Arm | None = None
    sessions_per_driver: Difference | None = None
    kwh_per_driver: Difference | None = None
    off_peak_share: Difference | None = None
    kwh_shifted: Difference | None = None


def compare(treated: Sequence[DriverSum], holdout: Sequence[DriverSum]) -> Lift:
    """Return the difference of two groups that a draw made, every driver of each, idle ones too.

    Means are compared by Welch's difference with a normal interval. The share off peak is energy off
    peak over all energy of a group, its variance by linearisation (a ratio estimate over drivers).
    Shifted energy is the difference of the shares times the energy of the treated. Intervals are for
    one number at a time and take drivers for independent of each other.
    """
    if _few(treated) or _few(holdout):
        return Lift(is_too_few=True)
    share = _share(treated) - _share(holdout)
    spread = _Z95 * math.sqrt(_share_variance(treated) + _share_variance(holdout))
    shares = Difference(share, share - spread, share + spread)
    kwh = sum(one.energy_wh for one in treated) / 1_000
    return Lift(
        is_too_few=False,
        treated=_arm(treated),
        holdout=_arm(holdout),
        sessions_per_driver=_means(treated, holdout, lambda one: one.sessions),
        kwh_per_driver=_means(treated, holdout, lambda one: one.energy_wh / 1_000),
        off_peak_share=shares,
        kwh_shifted=Difference(shares.value * kwh, shares.low * kwh, shares.high * kwh),
    )


def _few(group: Sequence[DriverSum]) -> bool:
    charging = sum(one.sessions > 0 for one in group)
    return charging < DRIVERS_MIN or sum(one.sessions for one in group) < SESSIONS_MIN


def _arm(group: Sequence[DriverSum]) -> Arm:
    sessions, energy_wh = sum(one.sessions for one in group), sum(one.energy_wh for one in group)
    drivers = len(group)
    return Arm(drivers, sessions, sessions / drivers, energy_wh / 1_000 / drivers, _share(group))


def _means(
    treated: Sequence[DriverSum], holdout: Sequence[DriverSum], of: Callable[[DriverSum], float]
) -> Difference:
    (mean, variance), (other, other_variance) = (
        _mean([of(one) for one in treated]),
        _mean([of(one) for one in holdout]),
    )
    spread = _Z95 * math.sqrt(variance + other_variance)
    return Difference(mean - other, mean - other - spread, mean - other + spread)


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the variance of the mean."""
    count = len(values)
    mean = math.fsum(values) / count
    return mean, math.fsum((value - mean) ** 2 for value in values) / (count - 1) / count


def _share(group: Sequence[DriverSum]) -> float:
    energy_wh = sum(one.energy_wh for one in group)
    return sum(one.off_peak_wh for one in group) / energy_wh if energy_wh else 0.0


def _share_variance(group: Sequence[DriverSum]) -> float:
    count, energy_wh = len(group), sum(one.energy_wh for one in group)
    if energy_wh == 0:
        return 0.0
    share = _share(group)
    rest = math.fsum((one.off_peak_wh - share * one.energy_wh) ** 2 for one in group)
    return rest / (count - 1) * count / energy_wh**2
