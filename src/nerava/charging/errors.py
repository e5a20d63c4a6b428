"""What the charging package refuses by raising."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class UnknownSession(NeravaError):
    """No charging session has this id."""

    code = "unknown-session"
    status = HTTPStatus.NOT_FOUND
    title = "No such charging session"


class WrongSessionState(NeravaError):
    """The session is not in a state from which this can happen."""

    code = "wrong-session-state"
    status = HTTPStatus.CONFLICT
    title = "The charging session is in another state"


class DriverAlreadyCharging(NeravaError):
    """The driver has an open session; it must be closed first."""

    code = "driver-already-charging"
    status = HTTPStatus.CONFLICT
    title = "The driver is charging already"


class LocationInvalid(NeravaError):
    """A location cannot be stored: no such time zone, or coordinates outside the globe."""

    code = "location-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The charging location is not valid"


class SessionInvalid(NeravaError):
    """A session cannot be stored: it ends before it starts, or its energy is negative."""

    code = "session-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The charging session is not valid"
