"""A budget's way down as a picture: where its lines run, and the one sentence that it says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from nerava.web.site.rendering import day_text, money

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DAYS_MIN: Final = 3
"""Fewer days make no line."""

SIZE: Final = 1_000
"""Width and height of the drawing, in its own units."""

_AHEAD_MIN: Final = 14


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, in units of `SIZE`; the page stretches it to its width.

    Attributes:
        actual: Points of the line of what was left, as SVG writes them.
        area: The same, closed along the bottom.
        forecast: Points of the line ahead; empty where nothing is forecast.
        today_percent: Where the line of the past ends, in percent of the width.
        levels: Lines across: how far down in percent, and the amount.
        dates: Below: how far right in percent, the day, and how SVG aligns it.
        sentence: What the picture says.
    """

    actual: str
    area: str
    forecast: str
    today_percent: float
    levels: list[tuple[float, str]]
    dates: list[tuple[float, str, str]]
    sentence: str


def chart_of(
    days: Sequence[Mapping[str, Any]], forecast: Mapping[str, Any], *, currency: str, ends_on: date
) -> Chart | None:
    """Return the picture of a budget's days, None where there are too few for one.

    Args:
        days: Of the burn-down, the earliest first, without gaps.
        forecast: How long the rest lasts.
        currency: Of its amounts.
        ends_on: When the campaign's window ends; nothing is drawn beyond it.
    """
    most = max((day["left"] for day in days), default=0)
    if len(days) < DAYS_MIN or most <= 0:
        return None
    first, last = (date.fromisoformat(days[at]["on"]) for at in (0, -1))
    end = _end(first, last, forecast, ends_on)
    span = (end - first).days
    left = days[-1]["left"]

    def place(on: date, amount: float) -> str:
        right = (on - first).days * SIZE / span
        return f"{right:.1f},{SIZE - max(0.0, amount) * SIZE / most:.1f}"

    actual = " ".join(place(date.fromisoformat(day["on"]), day["left"]) for day in days)
    ahead = ""
    if forecast["state"] == "lasting" and end > last:
        rest = max(0, left - forecast["daily"] * (end - last).days)
        ahead = f"{place(last, left)} {place(end, 0 if end == _used_up(forecast) else rest)}"
    today = (last - first).days * 100 / span
    return Chart(
        actual,
        f"{place(first, 0)} {actual} {place(last, 0)}",
        ahead,
        round(today, 2),
        [(0.0, money(most, currency)), (50.0, money(most // 2, currency)), (100.0, money(0, currency))],
        _dates(first, last, end, today),
        _sentence(days, forecast, currency),
    )


def _end(first: date, last: date, forecast: Mapping[str, Any], ends_on: date) -> date:
    """Return the last day of the picture: when the budget is used up, or a while ahead of what was."""
    if forecast["state"] != "lasting":
        return last
    end = last + timedelta(days=max(_AHEAD_MIN, (last - first).days))
    used_up = _used_up(forecast)
    if used_up is not None and used_up < end:
        end = used_up
    return max(last, min(ends_on, end))


def _used_up(forecast: Mapping[str, Any]) -> date | None:
    return date.fromisoformat(forecast["exhausted_on"]) if forecast["exhausted_on"] else None


def _dates(first: date, last: date, end: date, today: float) -> list[tuple[float, str, str]]:
    shown = [(0.0, day_text(first), "start")]
    if end > last and 25 < today < 75:  # noqa: PLR2004 - else the words would touch
        shown.append((round(today, 2), day_text(last), "middle"))
    return [*shown, (100.0, day_text(end), "end")]


def _sentence(days: Sequence[Mapping[str, Any]], forecast: Mapping[str, Any], currency: str) -> str:
    first, last = days[0], days[-1]
    paid = sum(day["funded"] for day in days)
    said = (
        f"Of {money(paid, currency)} paid into the budget since {day_text(date.fromisoformat(first['on']))}, "
        f"{money(last['left'], currency)} were left on {day_text(date.fromisoformat(last['on']))}"
    )
    if forecast["state"] != "lasting":
        return f"{said}."
    used_up = _used_up(forecast)
    until = "until the campaign ends" if used_up is None else f"until {day_text(used_up)}"
    return f"{said}; at this pace it lasts {until}."
