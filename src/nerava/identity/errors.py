"""Why a caller is not let in."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

from nerava.kernel.errors import NeravaError

_SHOWN: Final = {"strong": "a passkey or an authenticator code", "passkey": "a passkey"}


class NotSignedIn(NeravaError):
    """The request carries no access token."""

    code = "not-signed-in"
    status = HTTPStatus.UNAUTHORIZED
    title = "Sign in first"


class InvalidToken(NeravaError):
    """The access token is forged, expired, or made for somebody else; which of them is not said."""

    code = "invalid-token"
    status = HTTPStatus.UNAUTHORIZED
    title = "The access token is not valid"


class RoleNotAllowed(NeravaError):
    """The caller is known but has no role that may do this."""

    code = "role-not-allowed"
    status = HTTPStatus.FORBIDDEN
    title = "Your role may not do this"


class ScopeNotGranted(NeravaError):
    """The access token was issued for less than this."""

    code = "scope-not-granted"
    status = HTTPStatus.FORBIDDEN
    title = "The access token does not cover this"


class RoleAmbiguous(NeravaError):
    """The caller has several roles that may do this and names none of them."""

    code = "role-ambiguous"
    status = HTTPStatus.BAD_REQUEST
    title = "Say which of your roles you act under"


class SigningKeyUnsafe(NeravaError):
    """A signing key file can be read or written by others, or is not a signing key."""

    code = "signing-key-unsafe"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    title = "A signing key file is not safe to use"


class SessionEnded(NeravaError):
    """The session of this token is over; only signing in again helps."""

    code = "session-ended"
    status = HTTPStatus.UNAUTHORIZED
    title = "Your session has ended; sign in again"


class AccountSuspended(NeravaError):
    """The caller's account is suspended."""

    code = "account-suspended"
    status = HTTPStatus.FORBIDDEN
    title = "This account is suspended"


class StepUpRequired(NeravaError):
    """The caller has to show a stronger or a fresher proof of who they are; `step_up` names it."""

    code = "step-up-required"
    status = HTTPStatus.FORBIDDEN
    title = "Confirm that it is you"
    outcome = "not_executed"

    def __init__(self, step_up: Literal["strong", "passkey"]) -> None:
        super().__init__(f"show {_SHOWN[step_up]} and repeat")
        self.step_up = step_up


class InvalidRefreshToken(NeravaError):
    """The refresh token is unknown, expired or used; which of them is not said."""

    code = "invalid-refresh-token"
    status = HTTPStatus.UNAUTHORIZED
    title = "The refresh token is not valid; sign in again"


class RefreshInProgress(NeravaError):
    """Another request has used this refresh token a moment ago; its answer has the next one."""

    code = "refresh-in-progress"
    status = HTTPStatus.CONFLICT
    title = "This refresh token is being exchanged by another request"
    outcome = "not_executed"
    retry_after_s = 1


class InvalidDeviceProof(NeravaError):
    """The proof of the device's key is missing, forged, stale, or made for another request."""

    code = "invalid-device-proof"
    status = HTTPStatus.UNAUTHORIZED
    title = "The device proof is not valid"
