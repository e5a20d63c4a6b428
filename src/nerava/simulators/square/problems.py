"""How Square says no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.simulators.wire import ProviderSaysNo

if TYPE_CHECKING:
    from nerava.simulators.wire import Json


@dataclass
class SquareProblem(ProviderSaysNo):
    """An error that Square answers with."""

    status: int
    category: str
    code: str
    detail: str
    field: str | None = None

    @property
    def reason(self) -> str:
        """What it says to people."""
        return self.detail

    def as_document(self) -> Json:
        """Return the body of the answer."""
        error = {"category": self.category, "code": self.code, "detail": self.detail}
        if self.field is not None:
            error["field"] = self.field
        return {"errors": [error]}


_INVALID: Final = "INVALID_REQUEST_ERROR"
_BY_STATUS: Final = {
    400: (_INVALID, "BAD_REQUEST", "The request is not valid."),
    401: ("AUTHENTICATION_ERROR", "ACCESS_TOKEN_EXPIRED", "The access token has expired."),
    403: ("AUTHENTICATION_ERROR", "FORBIDDEN", "The application may not do this."),
    404: (_INVALID, "NOT_FOUND", "Resource not found."),
    429: ("RATE_LIMIT_ERROR", "RATE_LIMITED", "Too many requests."),
}


def by_status(status: int, code: str | None) -> SquareProblem:
    """Return an error of a status."""
    usual = ("API_ERROR", "INTERNAL_SERVER_ERROR", "An internal error has occurred.")
    category, word, detail = _BY_STATUS.get(status, usual)
    return SquareProblem(status, category, code or word, detail)


def bad(detail: str, field: str | None = None, code: str = "BAD_REQUEST") -> SquareProblem:
    """Return the refusal of a request that is not valid."""
    return SquareProblem(400, _INVALID, code, detail, field)


def not_found(what: str, wanted: str) -> SquareProblem:
    """Return the refusal of an id that does not exist for the caller."""
    return SquareProblem(404, _INVALID, "NOT_FOUND", f"{what} with id `{wanted}` not found.")
