"""Why sessions earn nothing, said of many at once and so without any one's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

REFUSALS: Final[Mapping[str, str]] = {
    "other": "For other reasons, each of few drivers",
    "campaign.outside_window": "Not within the dates of the campaign",
    "campaign.holdout": "The driver is held out for comparison",
    "campaign.exhausted": "The budget was used up",
    "campaign.kept": "Decided earlier",
    "evidence.below_minimum": "Not proven well enough",
    "score.below_minimum": "Too many doubts about the session",
    "session.rejected": "Not accepted as a charge",
    "stacking.another_won": "Another campaign of the group gives more",
    "ledger.refused": "The budget could not pay",
    "cap.driver_day_reached": "The driver had the most of a day already",
    "cap.driver_total_reached": "The driver had the most of the campaign already",
    "rules.condition_not_met": "A condition is not met",
    "rules.nothing_earned": "No rule gives anything",
    "grid.waiting": "What the grid emitted is not settled yet",
    "price.waiting": "What it cost is not known yet",
    "per_kwh.too_little": "Less than one Nova",
    "off_peak.outside": "Not in the hours of the campaign",
    "off_peak.too_little": "Less than one Nova in the hours of the campaign",
    "off_peak_bonus.too_little_inside": "Too little of it in the hours of the campaign",
    "percent_of_price.too_little": "The price gives less than one Nova",
    "percent_of_price.free": "It cost nothing",
    "percent_of_price.not_known": "The operator's record names no price",
    "percent_of_price.other_currency": "Paid in another currency",
    "grid_carbon.dirtier": "The grid emitted more",
    "grid_carbon.too_little": "Less than one Nova while the grid was clean",
    "grid_carbon.not_known": "What the grid emitted is not known",
    "tariff_period.outside": "Not in the period of the tariff",
    "tariff_period.too_little": "Less than one Nova in the period of the tariff",
    "tariff_period.not_known": "The period of the tariff is not known",
    "minimum_energy.too_little": "Too little energy",
    "minimum_minutes.too_short": "Too short",
    "connector_power.unknown": "The power of the connector is not known",
    "connector_power.too_weak": "The connector is too weak",
    "connector_power.too_strong": "The connector is too strong",
    "zone.outside": "Outside the area",
    "zone.unknown": "The place is not known",
    "networks.elsewhere": "On another network",
    "locations.elsewhere": "At another place",
    "first_sessions.over": "The driver had as many rewards as there are",
    "new_driver.known": "The driver is not new any more",
    "purchase_match.none": "Nothing was bought near it",
    "purchase_match.too_far": "What was bought was too far away",
    "purchase_match.too_small": "What was bought was too little",
    "streak.short": "Not often enough in a row",
    "tier.below": "The driver's tier is too low",
    "multiplier.below": "The driver's tier is too low for more",
    "multiplier.nothing": "More of it is less than one Nova",
}
"""By the code of the reason."""


def refusal(code: str) -> str:
    """Return why sessions earn nothing; a code that this version does not know, as it is."""
    return REFUSALS.get(code, code)
