"""What the control plane of the simulators refuses."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class NoSuchThing(NeravaError):
    """The simulated world has nothing of this name."""

    code = "no-such-thing"
    status = HTTPStatus.NOT_FOUND
    title = "There is no such thing in the simulated world"


class NotPossible(NeravaError):
    """What was asked for cannot happen in the state that the simulated world is in."""

    code = "not-possible"
    status = HTTPStatus.CONFLICT
    title = "That cannot happen now"


class LooksLive(NeravaError):
    """Something in the environment looks like a key to real money."""

    code = "looks-live"
    status = HTTPStatus.CONFLICT
    title = "The simulators do not start beside a live key"
