"""How the Places API says no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.simulators.wire import ProviderSaysNo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.simulators.wire import Json

INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"


@dataclass
class PlacesProblem(ProviderSaysNo):
    """An error that the API answers with."""

    status: int
    word: str
    message: str

    @property
    def reason(self) -> str:
        """What it says to people."""
        return self.message

    def as_document(self) -> Json:
        """Return the body of the answer."""
        details = [{"@type": INFO, "reason": self.word, "domain": "googleapis.com"}]
        error = {"code": self.status, "message": self.message, "status": self.word, "details": details}
        return {"error": error}


_USUAL: Final[Mapping[int, tuple[str, str]]] = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission."),
    404: ("NOT_FOUND", "The Place ID is no longer valid. Please refresh cached Place IDs."),
    429: ("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric and limit per minute."),
    500: ("INTERNAL", "Internal error encountered."),
    503: ("UNAVAILABLE", "The service is currently unavailable."),
}


def by_status(status: int, code: str | None = None) -> PlacesProblem:
    """Return an error of a status."""
    word, message = _USUAL.get(status, ("UNKNOWN", "Unknown error."))
    return PlacesProblem(status, code or word, message)


def invalid(message: str) -> PlacesProblem:
    """Return the refusal of what was asked for."""
    return PlacesProblem(400, "INVALID_ARGUMENT", message)
