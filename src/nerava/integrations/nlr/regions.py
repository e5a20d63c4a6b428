"""Where NLR's stations are: the states and provinces that they are loaded by, and the ground around them."""

from __future__ import annotations

from typing import Final, NamedTuple

from nerava.kernel.geography import Box


class Region(NamedTuple):
    """A state or province, in the codes that NLR filters by."""

    country: str
    state: str


_US: Final = (
    "AK", "AL", "AR", "AZ", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "HI", "IA", "ID", "IL", "IN", "KS",
    "KY", "LA", "MA", "MD", "ME", "MI", "MN", "MO", "MS", "MT", "NC", "ND", "NE", "NH", "NJ", "NM", "NV",
    "NY", "OH", "OK", "OR", "PA", "PR", "RI", "SC", "SD", "TN", "TX", "UT", "VA", "VT", "WA", "WI", "WV",
    "WY",
)  # fmt: skip
_CA: Final = ("AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT")

REGIONS: Final = (*(Region("US", state) for state in _US), *(Region("CA", state) for state in _CA))
"""In the order in which they are loaded."""

GROUND: Final = (Box(17, 84, -180, -52), Box(50, 55, 172, 180))
"""From Puerto Rico and Hawaii to the north of Canada, and the Aleutians beyond the 180th meridian."""


def may_have_stations(box: Box) -> bool:
    """Say whether a box that does not cross the 180th meridian touches the ground that NLR knows."""
    return any(
        box.south <= one.north and box.north >= one.south and box.west <= one.east and box.east >= one.west
        for one in GROUND
    )
