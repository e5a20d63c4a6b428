"""Where a link to a vehicle and the way to one stand."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class LinkState(StrEnum):
    """How a driver's link to a vehicle stands. Only an active one proves anything."""

    ACTIVE = "active"
    REVIEW = "review"
    """Another account has the car, or nobody saw the consent; a person decides."""
    BROKEN = "broken"
    """The maker lets us read nothing until the driver connects again."""
    ENDED = "ended"


HOLDING: Final = (LinkState.ACTIVE.value, LinkState.BROKEN.value)
"""The states in which a link holds its car: there is one such link for each, by an index."""


class LinkEnd(StrEnum):
    """Why a link is over."""

    BY_DRIVER = "by-driver"
    AT_PROVIDER = "at-provider"
    BY_OPS = "by-ops"


class ConnectState(StrEnum):
    """How far somebody is with connecting a vehicle."""

    ASKED = "asked"
    RETURNED = "returned"
    DONE = "done"
    FAILED = "failed"


class TokenState(StrEnum):
    """Whether tokens may be used."""

    GOOD = "good"
    REAUTH_REQUIRED = "reauth_required"
