"""How Smartcar says no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.simulators.wire import ProviderSaysNo

if TYPE_CHECKING:
    from nerava.simulators.wire import Json

_RESOLUTION: Final = {
    "AUTHENTICATION": "REAUTHENTICATE",
    "PERMISSION": "REAUTHENTICATE",
    "CONNECTED_SERVICES_ACCOUNT": "REAUTHENTICATE",
    "RATE_LIMIT": "RETRY_LATER",
    "UPSTREAM": "RETRY_LATER",
    "SERVER": "RETRY_LATER",
    "VEHICLE_STATE": "RETRY_LATER",
    "BILLING": "CONTACT_SUPPORT",
}
STATUS_OF: Final = {
    "VALIDATION": 400,
    "CONNECTED_SERVICES_ACCOUNT": 400,
    "AUTHENTICATION": 401,
    "PERMISSION": 403,
    "RESOURCE_NOT_FOUND": 404,
    "VEHICLE_STATE": 409,
    "RATE_LIMIT": 429,
    "BILLING": 430,
    "SERVER": 500,
    "COMPATIBILITY": 501,
    "UPSTREAM": 502,
}


@dataclass
class SmartcarProblem(ProviderSaysNo):
    """An error that Smartcar answers with; `retry_after_s` goes into the header."""

    type: str
    code: str | None
    description: str
    status: int
    retry_after_s: int | None = None

    @property
    def reason(self) -> str:
        """What it says to people."""
        return self.description

    def as_document(self) -> Json:
        """Return the body of the answer."""
        page = self.type.lower().replace("_", "-")
        return {
            "type": self.type,
            "code": self.code,
            "description": self.description,
            "docURL": f"https://smartcar.com/docs/errors/api-errors/{page}-errors#{self.code}",
            "statusCode": self.status,
            "requestId": "5ab1d3c8-8fd1-4d14-a1a8-6c1e0f3b9a10",
            "resolution": {"type": _RESOLUTION.get(self.type)},
        }


@dataclass
class OAuthProblem(ProviderSaysNo):
    """An error of the hosts that give tokens."""

    error: str
    status: int

    @property
    def reason(self) -> str:
        """What it says to people."""
        return self.error

    def as_document(self) -> Json:
        """Return the body of the answer."""
        return {"error": self.error, "error_description": f"The request failed: {self.error}."}


def problem(kind: str, code: str | None = None, *, retry_after_s: int | None = None) -> SmartcarProblem:
    """Return an error of a type, with the status that belongs to it."""
    words = f"Smartcar says {kind.lower().replace('_', ' ')}."
    return SmartcarProblem(kind, code, words, STATUS_OF.get(kind, 500), retry_after_s)


def by_status(status: int, code: str | None) -> SmartcarProblem:
    """Return an error of a status."""
    kind = next((name for name, one in STATUS_OF.items() if one == status and name != "VALIDATION"), "SERVER")
    found = problem(kind, code or {"RATE_LIMIT": "SMARTCAR_API", "UPSTREAM": "NO_RESPONSE"}.get(kind))
    found.status = status
    return found
