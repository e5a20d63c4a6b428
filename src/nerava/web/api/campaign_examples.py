"""Campaigns to begin with, as bodies that a sponsor may send back, changed or not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from nerava.platform.pagination import Page
from nerava.platform.policy import Policy, guarded
from nerava.rewards.house_rules import house_campaigns
from nerava.web.api.campaigns import CampaignIn
from nerava.web.api.wiring import Now, router

routes: Final = router("campaigns")

WINDOW: Final = timedelta(days=90)
_ANY: Final = "USD"
"""A body names no currency: a campaign has the operator's."""


def examples_from(now: datetime) -> list[CampaignIn]:
    """Return the campaigns of the house, from the beginning of today (UTC) for 90 days."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    asked = CampaignIn.model_fields
    return [
        CampaignIn.model_validate(
            one.model_dump(mode="json", include=set(asked))
            | {"starts_at": one.starts_at, "ends_at": one.ends_at}
        )
        for one in house_campaigns(_ANY, today, today + WINDOW)
    ]


@routes.get("/campaign-examples", summary="Campaigns to begin with")
@guarded(Policy(roles=("sponsor",), scope="campaigns:read"))
def campaign_examples(now: Now) -> Page[CampaignIn]:
    """Return campaigns that can be drafted as they are, on one page."""
    return Page(items=examples_from(now), next_cursor=None)
