"""Every route of the HTTP API, in the order in which they are matched: the busiest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.web.api import (
    caller,
    campaigns,
    health,
    idempotency_keys,
    ops_ledger,
    ops_money,
    partner,
    sessions,
    wallet,
)

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

ALL_ROUTES: Final[list[BaseRoute]] = [
    *wallet.routes.routes,
    *sessions.routes.routes,
    *partner.routes.routes,
    *campaigns.routes.routes,
    *health.routes.routes,
    *idempotency_keys.routes.routes,
    *ops_ledger.routes.routes,
    *ops_money.routes.routes,
    *caller.routes.routes,
    *caller.public.routes,
]
