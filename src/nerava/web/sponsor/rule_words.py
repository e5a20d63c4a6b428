"""The rules of a campaign as its sponsor reads them: a sentence for each kind."""

from __future__ import annotations

from functools import singledispatch

from nerava.grid.carbon import Signal
from nerava.rewards.rules import (
    ConnectorPower,
    FirstSessions,
    Fixed,
    GridCarbon,
    Locations,
    MinimumEnergy,
    MinimumMinutes,
    Multiplier,
    Networks,
    NewDriver,
    OffPeak,
    OffPeakBonus,
    PercentOfPrice,
    PerKwh,
    PurchaseMatch,
    Rule,
    Streak,
    TariffPeriod,
    Tier,
    Zone,
    read_rules,
    thousandths,
)
from nerava.web.site.rendering import money, number


def rule_sentences(stored: object, currency: str) -> tuple[list[str], list[str]]:
    """Return what a campaign gives, and on which conditions, as its terms list them.

    Args:
        stored: The rules in their JSON form, as the API shows them.
        currency: That of the campaign.
    """
    rules = read_rules(stored)
    gives = [in_words(rule, currency) for rule in rules if not rule.is_condition]
    return gives, [in_words(rule, currency) for rule in rules if rule.is_condition]


@singledispatch
def in_words(rule: Rule, _currency: str) -> str:
    """Return what a rule gives, or what it wants, in a sentence."""
    message = f"a rule has no words: {rule!r}"
    raise AssertionError(message)


@in_words.register
def _fixed(rule: Fixed, _currency: str) -> str:
    return f"{number(rule.points)} Nova for a session."


@in_words.register
def _per_kwh(rule: PerKwh, _currency: str) -> str:
    return f"{number(rule.points_per_kwh)} Nova for each kWh."


@in_words.register
def _off_peak(rule: OffPeak, _currency: str) -> str:
    return f"{number(rule.points_per_kwh)} Nova for each kWh charged {_hours(rule.window_text)}."


@in_words.register
def _off_peak_bonus(rule: OffPeakBonus, _currency: str) -> str:
    least = f"at least {rule.share_percent_min} % of the energy is charged {_hours(rule.window_text)}"
    return f"{number(rule.points)} Nova when {least}."


@in_words.register
def _percent_of_price(rule: PercentOfPrice, _currency: str) -> str:
    share = f"{rule.percent_text} % of what the session cost by the operator's record"
    return f"{share}, at most {number(rule.points_max)} Nova a session."


@in_words.register
def _grid_carbon(rule: GridCarbon, _currency: str) -> str:
    which = "for one more kWh" if rule.signal is Signal.MARGINAL else "on average"
    return (
        f"{number(rule.points_per_kwh)} Nova for each kWh charged while the grid emits less than "
        f"{number(rule.below_g_per_kwh)} g of CO2 per kWh ({which})."
    )


@in_words.register
def _tariff_period(rule: TariffPeriod, _currency: str) -> str:
    where = f"in period {rule.periods_text} of the tariff {rule.tariff} of {rule.utility}"
    return f"{number(rule.points_per_kwh)} Nova for each kWh charged {where}."


@in_words.register
def _multiplier(rule: Multiplier, _currency: str) -> str:
    whom = "" if rule.least_tier == "bronze" else f" for drivers from the tier {rule.least_tier}"
    return f"All of that times {thousandths(rule.percent * 10)}{whom}."


@in_words.register
def _minimum_energy(rule: MinimumEnergy, _currency: str) -> str:
    return f"At least {thousandths(rule.energy_wh)} kWh in the session."


@in_words.register
def _minimum_minutes(rule: MinimumMinutes, _currency: str) -> str:
    return f"The session lasts at least {counted(rule.minutes, 'minute')}."


@in_words.register
def _connector_power(rule: ConnectorPower, _currency: str) -> str:
    return f"{rule.promise}."


@in_words.register
def _locations(rule: Locations, _currency: str) -> str:
    return f"At {counted(len(rule.location_ids), 'charging location')} that you named."


@in_words.register
def _networks(rule: Networks, _currency: str) -> str:
    return f"On {', '.join(sorted(rule.sources))}."


@in_words.register
def _zone(rule: Zone, _currency: str) -> str:
    return f"Inside an area with {len(rule.corners)} corners that you drew."


@in_words.register
def _first_sessions(rule: FirstSessions, _currency: str) -> str:
    return f"Each driver is rewarded here for {counted(rule.count, 'session')} at most."


@in_words.register
def _new_driver(rule: NewDriver, _currency: str) -> str:
    return f"The driver's first verified session is less than {counted(rule.days, 'day')} ago."


@in_words.register
def _purchase_match(rule: PurchaseMatch, currency: str) -> str:
    least = f" for at least {money(rule.least_minor, currency)}" if rule.least_minor > 1 else ""
    near = f"at most {number(rule.within_m)} m and {counted(rule.within_minutes, 'minute')} from the session"
    return f"The driver buys something{least} at a partner's till, {near}."


@in_words.register
def _streak(rule: Streak, _currency: str) -> str:
    return f"The driver has charged in {rule.length} {rule.unit} in a row."


@in_words.register
def _tier(rule: Tier, _currency: str) -> str:
    return f"The driver has the tier {rule.least} or a higher one."


def counted(count: int, what: str) -> str:
    """Return a number of things: `1 day`, `2 days`."""
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def _hours(window: str) -> str:
    hours, _, days = window.partition(" ")
    start, _, end = hours.partition("-")
    when = "at any hour" if start == end else f"between {start} and {end} local time"
    return f"{when} on {days.replace(' ', ', ')}" if days else when
