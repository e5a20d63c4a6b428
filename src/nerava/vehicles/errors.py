"""What the vehicles package refuses by raising."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class VehiclesOff(NeravaError):
    """No provider of vehicle data is connected here."""

    code = "vehicles-off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Vehicles cannot be connected here"
    outcome = "not_executed"


class ConnectStateInvalid(NeravaError):
    """The way back from the provider is not one that began here: unknown, used, late, or somebody else's."""

    code = "connect-state-invalid"
    status = HTTPStatus.CONFLICT
    title = "Begin again with connecting the vehicle"
    outcome = "not_executed"


class VehicleConsentUnknown(NeravaError):
    """What was agreed to is not the text that counts today."""

    code = "vehicle-consent-unknown"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Show the current text and ask again"
    outcome = "not_executed"


class UnknownConnection(NeravaError):
    """The driver began no such connection."""

    code = "unknown-vehicle-connection"
    status = HTTPStatus.NOT_FOUND
    title = "No such connection"


class UnknownVehicleLink(NeravaError):
    """Nobody has such a link to a vehicle."""

    code = "unknown-vehicle-link"
    status = HTTPStatus.NOT_FOUND
    title = "No such vehicle"


class LinkNotInReview(NeravaError):
    """There is nothing to decide about this link any more."""

    code = "vehicle-link-not-in-review"
    status = HTTPStatus.CONFLICT
    title = "The link is not waiting for a decision"
    outcome = "not_executed"
