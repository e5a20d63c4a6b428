"""Every page of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.web.ops import (
    approvals,
    audit,
    batches,
    cases,
    keeping,
    ledger,
    merchants,
    overview,
    owed,
    payouts,
    reviews,
    system,
)

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

OPS_PAGES: Final[list[BaseRoute]] = [
    *overview.routes.routes,
    *payouts.routes.routes,
    *batches.routes.routes,
    *cases.routes.routes,
    *approvals.routes.routes,
    *ledger.routes.routes,
    *reviews.routes.routes,
    *merchants.routes.routes,
    *owed.routes.routes,
    *audit.routes.routes,
    *system.routes.routes,
    *keeping.routes.routes,
]
