"""One kind of call: method, path, who answers, and which parameters are known there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

    Handler = Callable[[StripeCore, Asked], Json]

_NAMED: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of call."""

    method: str
    path: str
    handler: Handler
    accepts: frozenset[str]

    def matches(self, method: str, path: str) -> dict[str, str] | None:
        """Return the ids in a path; None when the call is another one."""
        if method != self.method:
            return None
        found = re.fullmatch(_NAMED.sub(r"(?P<\1>[^/]+)", self.path), path)
        return None if found is None else found.groupdict()


def route(method: str, path: str, handler: Handler, accepts: str = "") -> Route:
    """Return a route; `accepts` names its parameters with spaces between."""
    return Route(method, path, handler, frozenset(accepts.split()))
