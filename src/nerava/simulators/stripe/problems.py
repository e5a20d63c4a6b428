"""How Stripe says no."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nerava.simulators.wire import ProviderSaysNo

if TYPE_CHECKING:
    from nerava.simulators.wire import Json

INVALID: Final = "invalid_request_error"


@dataclass
class StripeProblem(ProviderSaysNo):
    """An error that Stripe answers with.

    Attributes:
        began: The request was found valid and was being carried out, so an idempotency key keeps this answer.
        should_retry: What `Stripe-Should-Retry` says; None leaves the header out.
        more: Further members of the error object.
    """

    status: int
    kind: str
    message: str
    code: str | None = None
    param: str | None = None
    decline_code: str | None = None
    began: bool = False
    should_retry: bool | None = None
    more: Json = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """What it says to people."""
        return self.message

    def as_document(self, request_id: str) -> Json:
        """Return the body of the answer."""
        error: Json = {"type": self.kind, "message": self.message}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param is not None:
            error["param"] = self.param
        if self.decline_code is not None:
            error["decline_code"] = self.decline_code
        error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": {**error, **self.more}}


def missing(param: str) -> StripeProblem:
    """Return the refusal of a call that lacks a parameter."""
    return StripeProblem(400, INVALID, f"Missing required param: {param}.", "parameter_missing", param)


def invalid(param: str, message: str, code: str | None = None) -> StripeProblem:
    """Return the refusal of a parameter that is not valid."""
    return StripeProblem(400, INVALID, message, code, param)


def not_found(what: str, wanted: str, param: str = "id", status: int = 404) -> StripeProblem:
    """Return the refusal of an id that does not exist for the caller."""
    return StripeProblem(status, INVALID, f"No such {what}: '{wanted}'", "resource_missing", param)


def no_access(account: str) -> StripeProblem:
    """Return the refusal of an account that is none of ours, or no longer."""
    message = (
        f"The provided key 'sk_test_***' does not have access to account '{account}' (or that account does "
        "not exist). Application access may have been revoked."
    )
    return StripeProblem(403, INVALID, message, "account_invalid")


def not_now(message: str, code: str | None = None, param: str | None = None) -> StripeProblem:
    """Return the refusal of something that the state of things does not allow; it is kept under the key."""
    return StripeProblem(400, INVALID, message, code, param, began=True)


_BY_STATUS: Final[dict[int, tuple[str, str, str | None]]] = {
    400: (INVALID, "This request cannot be understood.", None),
    401: (INVALID, "Invalid API Key provided: sk_test_************", None),
    402: ("card_error", "Your card was declined.", "card_declined"),
    403: (INVALID, "The provided key does not have the required permissions for this endpoint.", None),
    404: (INVALID, "Unrecognized request URL.", None),
    409: (
        INVALID,
        (
            "This object cannot be accessed right now because another API request or Stripe process is "
            "currently accessing it. If you see this error intermittently, retry the request."
        ),
        "lock_timeout",
    ),
    429: (INVALID, "Request rate limit exceeded.", "rate_limit"),
}


def by_status(status: int, code: str | None) -> StripeProblem:
    """Return an error of a status, for faults that are played."""
    message = "An unknown error occurred. If you see this error intermittently, retry the request."
    kind, message, usual = _BY_STATUS.get(status, ("api_error", message, None))
    code = code or usual
    if code == "idempotency_key_in_use":
        kind = "idempotency_error"
        message = "There is currently another in-progress request using this Idempotent Key."
    if code == "lock_timeout":
        message = _BY_STATUS[409][1]
    return StripeProblem(status, kind, message, code, should_retry=code == "lock_timeout" or None)
