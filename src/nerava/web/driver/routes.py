"""Every page of a driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.web.driver import cashing_out, finding, offers, sessions, wallet, you

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

DRIVER_PAGES: Final[list[BaseRoute]] = [
    *finding.routes.routes,
    *wallet.routes.routes,
    *cashing_out.routes.routes,
    *sessions.routes.routes,
    *offers.routes.routes,
    *you.routes.routes,
]
