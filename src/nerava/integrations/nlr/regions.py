"""The states and provinces that NLR's stations are loaded by."""

from __future__ import annotations

from typing import Final, NamedTuple


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
