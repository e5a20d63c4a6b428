"""What the passes package refuses."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class PassesOff(NeravaError):
    """Passes of this kind are not set up here."""

    code = "passes-off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Wallet passes are switched off here"
    outcome = "not_executed"


class PassTokenWrong(NeravaError):
    """No pass has this number and this token; which of the two is wrong is not told."""

    code = "pass-token-wrong"
    status = HTTPStatus.UNAUTHORIZED
    title = "Not the token of this pass"
    outcome = "not_executed"
