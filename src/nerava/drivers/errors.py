"""What the drivers package refuses."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class UnknownDriver(NeravaError):
    """No driver has this id."""

    code = "unknown-driver"
    status = HTTPStatus.NOT_FOUND
    title = "No such driver"
