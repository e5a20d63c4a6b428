"""The rules of a new campaign between a form and the API: a field of the form is a kind and its field."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from nerava.kernel.currencies import minor_digits
from nerava.rewards.rules import thousandths
from nerava.web.site.rendering import number
from nerava.web.sponsor.asking import wrong_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nerava.web.site.forms import Form

GIVING: Final = ("fixed_points", "per_kwh_points_per_kwh", "off_peak_points_per_kwh", "off_peak_bonus_points")
"""The fields of which one has to be filled in, because conditions alone give nothing."""

_CORNERS: Final = 24
_METRES_OF_DEGREE: Final = 111_320
_DECIMAL: Final = re.compile(r"\d{1,6}(?:[.,]\d{1,3})?", re.ASCII)
_PLACE: Final = re.compile(r"(-?\d{1,2}(?:\.\d{1,8})?)\s*[,;]\s*(-?\d{1,3}(?:\.\d{1,8})?)", re.ASCII)
_RADIUS_MAX: Final = 100_000
_NORTHERNMOST: Final = 85
_EASTERNMOST: Final = 178


def rules_of(form: Form, currency: str) -> list[dict[str, Any]]:
    """Return the rules that a form describes, as the API takes them, conditions last.

    Raises:
        InvalidInput: A field cannot be read, or nothing is given (422).
    """
    if not any(form.maybe(one) for one in GIVING):
        raise wrong_field(GIVING[0], "say at least once what is given: for a session, for a kWh, or off peak")
    rules = [
        _plain(form, "fixed", "points"),
        _plain(form, "per_kwh", "points_per_kwh"),
        _timed(form, "off_peak", "points_per_kwh"),
        _timed(form, "off_peak_bonus", "points"),
        _scaled(form, "minimum_energy", "energy_wh", most=1_000),
        _plain(form, "minimum_minutes", "minutes"),
        _scaled(form, "connector_power", "least_w", most=10_000),
        _plain(form, "first_sessions", "count"),
        _plain(form, "new_driver", "days"),
        _purchase(form, currency),
        _zone(form),
    ]
    return [one for one in rules if one is not None]


def fields_of(rules: Iterable[Mapping[str, Any]], currency: str) -> dict[str, str]:
    """Return the fields that describe rules, of an example of the API."""
    fields = {}
    for rule in rules:
        for name, value in rule.items():
            text = str(value)
            if name in {"energy_wh", "least_w"}:
                text = thousandths(value)
            elif name == "least_minor":
                digits = minor_digits(currency)
                text = "" if value <= 1 else f"{value / 10**digits:.{digits}f}"
            fields[f"{rule['kind']}_{name}"] = text
    if "purchase_match_kind" in fields:
        fields["purchase_match"] = "on"
    return fields


def field_at(rules: list[dict[str, Any]], place: str) -> str:
    """Return the field of a form for a place in the rules: `0/fixed/points` is `fixed_points`."""
    parts = place.split("/")
    if not parts[0].isdecimal() or int(parts[0]) >= len(rules):
        return GIVING[0]
    kind = rules[int(parts[0])]["kind"]
    return "place" if kind == "zone" else f"{kind}_{parts[-1]}"


def _plain(form: Form, kind: str, field: str) -> dict[str, Any] | None:
    value = form.maybe_whole(f"{kind}_{field}")
    return None if value is None else {"kind": kind, field: value}


def _timed(form: Form, kind: str, field: str) -> dict[str, Any] | None:
    rule = _plain(form, kind, field)
    if rule is None:
        return None
    for name in ("from_time", "until_time"):
        rule[name] = _required(form, f"{kind}_{name}")
    share = form.maybe_whole(f"{kind}_share_percent_min")
    return rule if share is None else rule | {"share_percent_min": share}


def _required(form: Form, name: str) -> str:
    found = form.maybe(name, most=8)
    if not found:
        raise wrong_field(name, "fill this in")
    return found


def _scaled(form: Form, kind: str, field: str, *, most: int) -> dict[str, Any] | None:
    name = f"{kind}_{field}"
    text = form.maybe(name, most=20)
    if not text:
        return None
    if not _DECIMAL.fullmatch(text):
        raise wrong_field(name, "a number, as in 7.4")
    whole, _, rest = text.replace(",", ".").partition(".")
    value = int(whole) * 1_000 + int(f"{rest:0<3}")
    if not 0 < value <= most * 1_000:
        raise wrong_field(name, f"more than 0, at most {number(most)}")
    return {"kind": kind, field: value}


def _purchase(form: Form, currency: str) -> dict[str, Any] | None:
    if not form.ticked("purchase_match"):
        return None
    rule: dict[str, Any] = {"kind": "purchase_match"}
    for field in ("within_minutes", "within_m"):
        value = form.maybe_whole(f"purchase_match_{field}")
        if value is not None:
            rule[field] = value
    if form.maybe("purchase_match_least_minor"):
        rule["least_minor"] = form.minor("purchase_match_least_minor", currency)
    return rule


def _zone(form: Form) -> dict[str, Any] | None:
    """Return a circle as a polygon; the API knows areas by their corners."""
    text = form.maybe("place", most=60)
    if not text:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise wrong_field("place", "latitude and longitude, as in 60.1717, 24.9391")
    latitude, longitude = float(found[1]), float(found[2])
    if abs(latitude) > _NORTHERNMOST or abs(longitude) > _EASTERNMOST:
        raise wrong_field(
            "place", f"between {_NORTHERNMOST} degrees north and south, {_EASTERNMOST} east and west"
        )
    radius = form.whole("place_radius_m")
    if not 1 <= radius <= _RADIUS_MAX:
        raise wrong_field("place_radius_m", "between 1 and 100,000 metres")
    tall = radius / _METRES_OF_DEGREE
    wide = tall / math.cos(math.radians(latitude))
    turns = [2 * math.pi * corner / _CORNERS for corner in range(_CORNERS)]
    corners = [
        [round(latitude + tall * math.sin(turn), 6), round(longitude + wide * math.cos(turn), 6)]
        for turn in turns
    ]
    return {"kind": "zone", "corners": corners}
