"""Every route of the HTTP API, in the order in which they are matched: the busiest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.web.api import caller, health, idempotency_keys, ops_ledger, wallet

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

ALL_ROUTES: Final[list[BaseRoute]] = [
    *wallet.routes.routes,
    *health.routes.routes,
    *idempotency_keys.routes.routes,
    *ops_ledger.routes.routes,
    *caller.routes.routes,
    *caller.public.routes,
]
