"""What the tills package refuses by raising."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class TillsOff(NeravaError):
    """No provider of points of sale is connected here."""

    code = "tills-off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Points of sale cannot be linked here"
    outcome = "not_executed"


class TillStateInvalid(NeravaError):
    """The way back from the provider is not one that began here: unknown, used, late, or somebody else's."""

    code = "till-state-invalid"
    status = HTTPStatus.CONFLICT
    title = "Begin again with linking the point of sale"
    outcome = "not_executed"


class UnknownTill(NeravaError):
    """The merchant has no such link to a point of sale."""

    code = "unknown-till"
    status = HTTPStatus.NOT_FOUND
    title = "No such point of sale"


class UnknownTillLocation(NeravaError):
    """The merchant's points of sale have no such location."""

    code = "unknown-till-location"
    status = HTTPStatus.NOT_FOUND
    title = "No such location"
