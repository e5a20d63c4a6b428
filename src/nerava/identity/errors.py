"""Why a caller is not let in."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


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
