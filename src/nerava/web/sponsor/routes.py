"""Every page of a sponsor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.web.sponsor import campaign, campaigns, deposits, drafting, funding, team

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

SPONSOR_ROUTES: Final[list[BaseRoute]] = [
    *campaigns.routes.routes,
    *drafting.routes.routes,
    *funding.routes.routes,
    *campaign.routes.routes,
    *deposits.routes.routes,
    *team.routes.routes,
]
