"""The pages of merchants and of their tills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.web.merchant import codes, offers, places, redemptions, scan, settlements, till, today

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

MERCHANT_PAGES: Final[list[BaseRoute]] = [
    *today.routes.routes,
    *codes.routes.routes,
    *offers.routes.routes,
    *scan.routes.routes,
    *redemptions.routes.routes,
    *settlements.routes.routes,
    *places.routes.routes,
    *till.routes.routes,
]
