"""The table of all calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe import (
    accounts,
    accounts_v2,
    balance,
    charges,
    checkout,
    disputes,
    endpoints,
    events,
    intents,
    payouts,
    refunds,
    transfers,
)
from nerava.simulators.stripe.problems import INVALID, StripeProblem

if TYPE_CHECKING:
    from nerava.simulators.stripe.routing import Route

_PARTS: Final = (
    accounts,
    accounts_v2,
    balance,
    charges,
    checkout,
    disputes,
    endpoints,
    events,
    intents,
    payouts,
    refunds,
    transfers,
)
ALL_ROUTES: Final = tuple(one for part in _PARTS for one in part.ROUTES)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route of a call and the ids in its path.

    Raises:
        StripeProblem: Nobody answers there (404).
    """
    for one in ALL_ROUTES:
        ids = one.matches(method, path)
        if ids is not None:
            return one, ids
    message = f"Unrecognized request URL ({method}: {path})."
    raise StripeProblem(404, INVALID, message)
