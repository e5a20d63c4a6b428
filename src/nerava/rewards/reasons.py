"""The sentences behind the codes: what drivers, sponsors and support read as the reason."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any, Final

from nerava.rewards.rules import Answer, thousandths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nerava.rewards.evaluation import CampaignDecision

TEXTS: Final[Mapping[str, str]] = {
    # What became of a campaign.
    "campaign.earned": "Every condition is met.",
    "campaign.none": "No campaign was running.",
    "campaign.kept": "This campaign decided about the session earlier.",
    "campaign.outside_window": "The session did not begin while the campaign was running.",
    "campaign.holdout": (
        "It would have earned {points} points; the driver belongs to the share that earns nothing, "
        "so that the effect of the campaign can be measured."
    ),
    "grid.waiting": (
        "What the grid did meanwhile is not settled yet; the session is decided once more when it is."
    ),
    "price.waiting": (
        "What the session cost is not known yet; it is decided once more when the operator's record comes."
    ),
    "campaign.exhausted": "The budget cannot pay {points} points any more.",
    "evidence.below_minimum": "Evidence of level {level} is weaker than the level {least} asked for.",
    "score.below_minimum": "The verification score of {score} is below {least}.",
    "rules.condition_not_met": "A condition of the campaign is not met.",
    "rules.nothing_earned": "No rule of the campaign gave points.",
    "cap.session": "{earned} points were earned; a session gets at most {most}.",
    "cap.driver_day": "{earned} points were earned; {left} were left of {most} for a driver in a day.",
    "cap.driver_day_reached": "The {most} points that a driver gets in a day were reached before.",
    "cap.driver_total": "{earned} points were earned; {left} were left of {most} for a driver in all.",
    "cap.driver_total_reached": "The {most} points that a driver gets in all were reached before.",
    "stacking.another_won": "A session earns the best of several campaigns; this one would give {points}.",
    "session.rejected": "The session was not accepted as a charge.",
    "ledger.refused": "The ledger refused the posting: {status}.",
    # What the rules say.
    "fixed.session": "The session took place.",
    "per_kwh.energy": "{energy_wh:kwh} at {points_per_kwh} points per kWh.",
    "per_kwh.too_little": "{energy_wh:kwh} are less than one point.",
    "off_peak.energy": "{energy_wh:kwh} between {window} local time at {points_per_kwh} points per kWh.",
    "off_peak.outside": "Nothing was charged between {window} local time.",
    "off_peak.too_little": "{energy_wh:kwh} between {window} local time are less than one point.",
    "off_peak_bonus.mostly_inside": (
        "{energy_wh:kwh} of {of_wh:kwh} were charged between {window} local time; "
        "{share_percent_min} % were needed."
    ),
    "off_peak_bonus.too_little_inside": (
        "Only {energy_wh:kwh} of {of_wh:kwh} were charged between {window} local time; "
        "{share_percent_min} % were needed."
    ),
    "percent_of_price.share": "{percent} % of {price}, rounded down.",
    "percent_of_price.most": "{percent} % of {price} are more than the {most} points of a session.",
    "percent_of_price.too_little": "{percent} % of {price} are less than one point.",
    "percent_of_price.free": "The session cost nothing.",
    "percent_of_price.not_known": "The operator's record does not say what the session cost.",
    "percent_of_price.other_currency": (
        "The session cost {price}; the campaign counts prices in {currency} and converts none."
    ),
    "grid_carbon.energy": (
        "{energy_wh:kwh} while the grid of {region} emitted less than {below_g} g CO2 per kWh ({signal}), "
        "at {points_per_kwh} points per kWh."
    ),
    "grid_carbon.energy_partly_known": (
        "{energy_wh:kwh} while the grid of {region} emitted less than {below_g} g CO2 per kWh ({signal}), "
        "at {points_per_kwh} points per kWh; for {unknown_wh:kwh} it is not known."
    ),
    "grid_carbon.dirtier": (
        "Nothing was charged while the grid of {region} is known to have emitted less than {below_g} g CO2 "
        "per kWh ({signal})."
    ),
    "grid_carbon.too_little": (
        "{energy_wh:kwh} below {below_g} g CO2 per kWh ({signal}, {region}) are less than one point."
    ),
    "grid_carbon.not_known": "It is not known what the grid emitted during the session ({signal}).",
    "tariff_period.energy": (
        "{energy_wh:kwh} in period {periods} of {utility}, {tariff}, at {points_per_kwh} points per kWh."
    ),
    "tariff_period.outside": "Nothing was charged in period {periods} of {utility}, {tariff}.",
    "tariff_period.too_little": (
        "{energy_wh:kwh} in period {periods} of {utility}, {tariff}, are less than one point."
    ),
    "tariff_period.not_known": "It is not known which period of {utility}, {tariff}, it was.",
    "minimum_energy.enough": "{energy_wh:kwh} are at least {least_wh:kwh}.",
    "minimum_energy.too_little": "{energy_wh:kwh} are less than {least_wh:kwh}.",
    "minimum_minutes.enough": "{minutes} minutes are at least {least_minutes}.",
    "minimum_minutes.too_short": "{minutes} minutes are less than {least_minutes}.",
    "connector_power.right": "The connector delivers up to {power_w:kw}.",
    "connector_power.unknown": "Nobody knows what the connector delivers.",
    "connector_power.too_weak": "The connector delivers up to {power_w:kw}, less than {least_w:kw}.",
    "connector_power.too_strong": "The connector delivers up to {power_w:kw}, more than {most_w:kw}.",
    "zone.inside": "The location lies in the zone of the campaign.",
    "zone.outside": "The location does not lie in the zone of the campaign.",
    "zone.unknown": "Nobody knows where the location lies.",
    "networks.listed": "The network takes part.",
    "networks.elsewhere": "The network does not take part.",
    "first_sessions.within": "The campaign rewarded {before} sessions of the driver before; {most} count.",
    "first_sessions.over": "The campaign rewarded {before} sessions of the driver before; only {most} count.",
    "new_driver.first": "It is the driver's first session.",
    "new_driver.new": "The driver's first session was {days} days before; less than {most_days} are new.",
    "new_driver.known": "The driver's first session was {days} days before; only less than {most_days} are.",
    "purchase_match.near": "Something was bought {minutes} minutes and {metres} m from the session.",
    "purchase_match.none": "Nothing was bought within {most_minutes} minutes and {most_m} m of the session.",
    "purchase_match.too_far": (
        "What was bought is {minutes} minutes and {metres} m from the session; "
        "{most_minutes} minutes and {most_m} m count."
    ),
    "purchase_match.too_small": "The purchase came to {bill_minor} minor units, less than {least_minor}.",
    "streak.kept": "The driver charged in {run} {unit} in a row; {least} are needed.",
    "streak.short": "The driver charged in {run} {unit} in a row, and {least} are needed.",
    "tier.reached": "The driver has the tier {tier}; {least} is needed.",
    "tier.below": "The driver has the tier {tier}, and {least} is needed.",
    "multiplier.more": "The tier {tier} earns {percent} % of {earned} points.",
    "multiplier.below": "The driver has the tier {tier}; more is earned from {least}.",
    "multiplier.nothing": "{earned} points times {percent} % are less than one point more.",
    "locations.listed": "The location takes part.",
    "locations.elsewhere": "The location does not take part.",
    # How a provisional grant ended.
    "settlement.proven": "Better evidence proved it.",
    "settlement.reduced": "Better evidence proved less: {points} of {held} points.",
    "settlement.not_proven": "Better evidence showed that nothing was earned.",
    "settlement.rejected": "The session was not accepted as a charge.",
    "settlement.deadline": "No better evidence came in time.",
    # What became of a referral.
    "referral.invited": "{points} Nova each come after the first verified session of at least 15 minutes.",
    "referral.qualified": "The session counted; {points} Nova each come once the house's budget has them.",
    "referral.rewarded": "Both got {points} Nova.",
    "referral.same_contact": "Refused: both drivers are one person.",
    "referral.same_device": "Refused: both drivers use one device.",
    "referral.circle": "Refused: whoever told you came by you.",
    "referral.gone": "Refused: one of the two has left.",
    # Why points were taken back after they had been given.
    "clawback.rejected": "Taken back: the session was not accepted as a charge.",
    "clawback.reduced": "Taken back: better evidence proved {proven} of {granted} points.",
    "clawback.not_proven": "Taken back: better evidence showed that nothing was earned.",
    "clawback.credited": "Taken back: the operator credited the charge.",
    "clawback.fraud": "Taken back: the session was not a genuine charge.",
    "clawback.mistake": "Taken back: the points were given by mistake.",
    "clawback.recovered": "Taken back: a part of what was still owed for an earlier session.",
}


class _Units(string.Formatter):
    """Formats watt-hours as kWh and watts as kW without floating point."""

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 - the base class's signature
        if format_spec == "kwh":
            return f"{thousandths(value)} kWh"
        if format_spec == "kw":
            return f"{thousandths(value)} kW"
        return str(value)


_UNITS: Final = _Units()


def sentence(code: str, facts: Mapping[str, object]) -> str:
    """Return the English sentence of a code, its numbers filled in.

    A code that this version does not know, for example one stored by a later version, is
    returned as it is: an answer that can be looked up is better than none.
    """
    text = TEXTS.get(code)
    return code if text is None else _UNITS.vformat(text, (), facts)


def placeholders(code: str) -> set[str]:
    """Return the names of the facts that a code's sentence needs."""
    return {name for _, name, _, _ in _UNITS.parse(TEXTS[code]) if name is not None}


_CLOSENESS: Final = (
    "campaign.kept",
    "campaign.holdout",
    "grid.waiting",
    "price.waiting",
    "stacking.another_won",
    "ledger.refused",
    "campaign.exhausted",
    "cap.driver_total_reached",
    "cap.driver_day_reached",
    "rules.nothing_earned",
    "rules.condition_not_met",
    "score.below_minimum",
    "evidence.below_minimum",
    "campaign.outside_window",
)
"""Refusals from the one that came closest to earning to the one that was farthest from it."""


def primary_reason(decisions: Sequence[CampaignDecision]) -> str:
    """Return the one code that says best why a session got nothing from any campaign.

    Of the campaigns the one that came closest to paying; where its rules refused, the rule's own
    code, which says more.
    """
    return _primary(decisions)[0]


def primary_sentence(decisions: Sequence[CampaignDecision]) -> str:
    """Return the sentence that says best why a session got nothing, as `primary_reason` finds it."""
    return sentence(*_primary(decisions))


def _primary(decisions: Sequence[CampaignDecision]) -> tuple[str, Mapping[str, object]]:
    closest = min(decisions, key=lambda one: _CLOSENESS.index(one.reason))
    if not closest.reason.startswith("rules."):
        return closest.reason, closest.facts
    return next((one.code, one.facts) for one in closest.judgements if one.answer is Answer.REFUSED)
