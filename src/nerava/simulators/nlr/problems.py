"""How the Alternative Fuel Stations API says no: in the form that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.simulators.wire import Answer, ProviderSaysNo, as_json

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class NlrProblem(ProviderSaysNo):
    """An error that the API answers with."""

    status: int
    code: str
    message: str

    @property
    def reason(self) -> str:
        """What it says to people."""
        return self.message


_USUAL: Final[Mapping[int, tuple[str, str]]] = {
    400: ("HTTPS_REQUIRED", "Requests must be made over HTTPS."),
    403: ("API_KEY_INVALID", "An invalid api_key was supplied."),
    404: ("NOT_FOUND", "The requested URL was not found on this server."),
    410: ("GONE", "This domain was retired on 29 May 2026. Please use developer.nlr.gov."),
    422: ("UNPROCESSABLE_ENTITY", "A parameter has an invalid value."),
    429: ("OVER_RATE_LIMIT", "You have exceeded your rate limit. Try again later."),
}
_KEY_PROBLEMS: Final[Mapping[str, str]] = {
    "API_KEY_MISSING": "No api_key was supplied.",
    "API_KEY_INVALID": "An invalid api_key was supplied.",
    "API_KEY_DISABLED": "The api_key supplied has been disabled.",
    "API_KEY_UNAUTHORIZED": "The api_key supplied is not authorized to access the given service.",
    "API_KEY_UNVERIFIED": "The api_key supplied has not been verified yet.",
}


def by_status(status: int, code: str | None = None) -> NlrProblem:
    """Return an error of a status."""
    word, message = _USUAL.get(status, ("INTERNAL_SERVER_ERROR", "An unexpected error has occurred."))
    return NlrProblem(status, code or word, _KEY_PROBLEMS.get(code or "", message))


def bad_value(name: str, allowed: str) -> NlrProblem:
    """Return the refusal of a parameter."""
    return NlrProblem(422, "UNPROCESSABLE_ENTITY", f"{name}: must be {allowed}")


def told(problem: NlrProblem, form: str) -> Answer:
    """Return an error as it goes over the wire; whoever asks for CSV is told in CSV."""
    if form == "csv":
        text = f'Error Code,Error Message\n{problem.code},"{problem.message}"\n'
        return Answer(problem.status, text.encode(), {"content-type": "text/csv"})
    document = {"error": {"code": problem.code, "message": problem.message}}
    return as_json(document, problem.status, indent=None)
