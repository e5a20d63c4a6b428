"""Every route of the web process: the API first, then the pages of each area."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.web.api.routes import API_ROUTES
from nerava.web.driver.routes import DRIVER_PAGES
from nerava.web.merchant.routes import MERCHANT_PAGES
from nerava.web.ops.routes import OPS_PAGES
from nerava.web.site import entering, files, linking, stepping_up
from nerava.web.sponsor.routes import SPONSOR_ROUTES

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

_PAGES: Final[list[BaseRoute]] = [
    *files.routes.routes,
    *entering.routes.routes,
    *DRIVER_PAGES,
    *linking.routes.routes,
    *MERCHANT_PAGES,
    *SPONSOR_ROUTES,
    *stepping_up.routes.routes,
    *OPS_PAGES,
]

ALL_ROUTES: Final[list[BaseRoute]] = [*API_ROUTES, *_PAGES]
