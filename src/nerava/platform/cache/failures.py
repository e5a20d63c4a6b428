"""How a call failed, as a line that a process leaves behind for those who wait for it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nerava.kernel.outcomes import Misconfigured, Refused, RetryLater, Unknown

if TYPE_CHECKING:
    from nerava.kernel.outcomes import Outcome


def line_of(outcome: Outcome[Any]) -> str:
    """Return the line for an outcome that is no success."""
    match outcome:
        case RetryLater(code, not_before):
            told = None if not_before is None else not_before.isoformat()
            return json.dumps({"kind": "retry_later", "code": code, "not_before": told})
        case Refused(code, message):
            return json.dumps({"kind": "refused", "code": code, "message": message})
        case Misconfigured(code, message):
            return json.dumps({"kind": "misconfigured", "code": code, "message": message})
        case Unknown(code):
            return json.dumps({"kind": "unknown", "code": code})
        case _:
            raise AssertionError("a success is kept, not told")


def outcome_in(line: str) -> Outcome[Any]:
    """Return the outcome that a line tells; one that cannot be read is a failure all the same."""
    try:
        told = json.loads(line)
        kind, code, message = told["kind"], str(told["code"]), str(told.get("message", ""))
        if kind == "refused":
            return Refused(code, message)
        if kind == "misconfigured":
            return Misconfigured(code, message)
        if kind == "unknown":
            return Unknown(code)
        at = told.get("not_before")
        return RetryLater(code, None if at is None else datetime.fromisoformat(at))
    except (ValueError, TypeError, KeyError, AttributeError):
        return RetryLater("failed-elsewhere")
