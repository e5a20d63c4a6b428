"""How long a budget lasts, in a sentence, from what the API forecasts."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from nerava.rewards.burn_down import DAYS_MIN
from nerava.web.site.rendering import day_text, money

if TYPE_CHECKING:
    from collections.abc import Mapping

USED_UP: Final = "Used up. Nothing is given any more, and drivers are promised nothing, until you add budget."


def pace_of(
    campaign: Mapping[str, Any], budget: Mapping[str, Any], forecast: Mapping[str, Any] | None
) -> str:
    """Return how long a campaign's budget lasts, or why nobody can say.

    Args:
        campaign: As the API shows it.
        budget: Where its money is.
        forecast: Of its burn-down; None for a campaign that was not asked for one.
    """
    state = campaign["state"]
    if state == "ended":
        return "Ended. Nothing is given any more."
    if not budget["funded"]:
        return "Not funded yet."
    if budget["left"] <= 0:
        return USED_UP
    if state == "draft":
        return "Funded, not running yet."
    if state == "paused":
        return "Paused. Nothing new is given; what is reserved is still decided."
    return "" if forecast is None else _running(campaign, forecast)


def _running(campaign: Mapping[str, Any], forecast: Mapping[str, Any]) -> str:
    seen = forecast["days_seen"]
    match forecast["state"]:
        case "too-early":
            over = "none is over yet" if seen == 0 else f"{seen} {'is' if seen == 1 else 'are'} over"
            return f"Too early for a forecast: it needs {DAYS_MIN} whole days, and {over}."
        case "nothing-spent":
            return f"On most of the last {seen} days nothing was given, so there is no forecast."
        case "exhausted":
            return USED_UP
    daily = f"about {money(forecast['daily'], campaign['terms']['currency'])} a day"
    if forecast["exhausted_on"] is None:
        return f"At this pace, {daily}, it lasts until the campaign ends."
    on = date.fromisoformat(forecast["exhausted_on"])
    early = (date.fromisoformat(campaign["terms"]["ends_at"][:10]) - on).days
    before = f", {early} day{'' if early == 1 else 's'} before the campaign ends" if early > 0 else ""
    return f"At this pace, {daily}, it lasts until {day_text(on)}{before}."
