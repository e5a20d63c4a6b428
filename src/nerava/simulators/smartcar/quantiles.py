"""How people charge fast: quantiles of 1,878 real stays at two plugs in Switzerland, 2022 to 2023.

Computed from `Session_data.xlsx` of DESL-EPFL/Level-3-EV-charging-dataset, MIT licence, (c) 2025
Distributed Electrical Systems Laboratory (DESL), École Polytechnique Fédérale de Lausanne (EPFL).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nerava.simulators.chance import Chance

SHARES: Final = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
"""The shares of stays that lie below the numbers of each table."""

STAY_MINUTES: Final = (10.0, 13.0, 20.0, 30.0, 42.0, 54.0, 62.0)
POWER_W_MAX: Final = (44_119.0, 51_615.0, 65_060.0, 97_655.0, 145_188.0, 160_074.0, 165_378.0)
LEVEL_AT_ARRIVAL: Final = (7.0, 11.0, 19.0, 31.0, 46.0, 60.0, 71.0)


def drawn(table: tuple[float, ...], chance: Chance) -> float:
    """Return a number as it is distributed; linear between the quantiles, none beyond the outer ones."""
    share = chance.between(SHARES[0], SHARES[-1])
    place = next(number for number, one in enumerate(SHARES) if share <= one)
    if place == 0:
        return table[0]
    low, high = SHARES[place - 1], SHARES[place]
    part = (share - low) / (high - low)
    return table[place - 1] + part * (table[place] - table[place - 1])
