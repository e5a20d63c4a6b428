"""A line of the log for each request: its route, its status, how long it took and what kind of caller asked.

To redact a record takes a twentieth of what a request does. So what this one says is kinds of things, and two
ids of a form that was checked; a line of JSON is put together from parts that were redacted once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from nerava.platform.problem import reference_of
from nerava.platform.request_kinds import QUIET, method_of, route_of

if TYPE_CHECKING:
    from starlette.types import Scope

    from nerava.platform.problem import Reference

NOBODY: Final = "nobody"
"""Who asked without having to say who it is, or was not let in."""

log = logging.getLogger("nerava.access")


class Served(logging.LogRecord):
    """One request that is over.

    Attributes:
        kind: Method, template of the route and role of the caller; words of ours alone.
        answered: The status of the answer; 0 if there was none.
        took_ms: From the request's head to the last byte of its answer.
    """

    def __init__(
        self, kind: tuple[str, str, str], answered: int, took_ms: float, reference: Reference
    ) -> None:
        said = ("%s %s %s in %s ms for %s", (kind[0], kind[1], answered or "unanswered", took_ms, kind[2]))
        super().__init__(log.name, logging.INFO, __file__, 0, *said, None)
        self.kind = kind
        self.answered = answered
        self.took_ms = took_ms
        self.reference = reference


def note(scope: Scope, status: int, took_s: float) -> None:
    """Write the line of a request that is over, unless it is one of those that machines ask all the time."""
    if not log.isEnabledFor(logging.INFO) or scope["path"] in QUIET:
        return
    kind = (method_of(scope), route_of(scope), _role_in(scope))
    log.handle(Served(kind, status, round(took_s * 1_000, 1), reference_of(scope)))


def _role_in(scope: Scope) -> str:
    """Return under which role the caller was let in; never who it is."""
    principal: Any = scope.get("state", {}).get("principal")
    return NOBODY if principal is None else str(principal.acting.role.value)
