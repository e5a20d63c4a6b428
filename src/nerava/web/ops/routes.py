"""Every page of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.web.ops import approvals, batches, cases, overview, payouts

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

OPS_PAGES: Final[list[BaseRoute]] = [
    *overview.routes.routes,
    *payouts.routes.routes,
    *batches.routes.routes,
    *cases.routes.routes,
    *approvals.routes.routes,
]
