"""Campaigns that ship as examples: what the house would give by itself. They are ordinary campaigns."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

from nerava.rewards.rules import Fixed, OffPeakBonus, PurchaseMatch
from nerava.rewards.terms import CampaignTerms

if TYPE_CHECKING:
    from datetime import datetime


def house_campaigns(currency: str, starts_at: datetime, ends_at: datetime) -> tuple[CampaignTerms, ...]:
    """Return the examples for a window, as drafts that nobody has funded.

    A bonus off peak, a reward for every verified charge, and one for a purchase near the charger. The
    fourth of the house's rules, for referrals, is paid by the house itself and not by a campaign.
    """
    window = {"currency": currency, "starts_at": starts_at, "ends_at": ends_at}
    return (
        CampaignTerms(
            name="Off-peak bonus",
            rules=(OffPeakBonus(from_time=time(22), until_time=time(6), points=25),),
            **window,
        ),
        CampaignTerms(name="Verified charge", rules=(Fixed(points=200),), evidence_min=2, **window),
        CampaignTerms(
            name="Purchase match",
            rules=(Fixed(points=150), PurchaseMatch(within_minutes=30, within_m=120)),
            driver_day_points_max=150,
            **window,
        ),
    )
