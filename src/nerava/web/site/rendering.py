"""How pages are drawn: templates, the files they load, and how numbers and instants are written."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nerava.kernel.currencies import amount_text, minor_digits
from nerava.kernel.ids import new_id
from nerava.web.site.words import word

MINUS: Final = "\N{MINUS SIGN}"
NARROW_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"

FILE_TYPES: Final = {
    ".css": "text/css",
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def money(minor: int, currency: str) -> str:
    """Return an amount of minor units with its currency, thousands set apart, losses with a real minus."""
    whole, mark, rest = amount_text(abs(minor), currency).partition("." if minor_digits(currency) else " ")
    return f"{MINUS if minor < 0 else ''}{int(whole):,}{mark}{rest}"


def number(value: int) -> str:
    """Return a whole number with its thousands set apart and a real minus."""
    return f"{MINUS if value < 0 else ''}{abs(value):,}"


def energy(watt_hours: int) -> str:
    """Return an energy in kWh with one decimal, rounded half up: `12.4 kWh`."""
    tenths = (abs(watt_hours) + 50) // 100
    return f"{tenths // 10:,}.{tenths % 10}{NARROW_SPACE}kWh"


def duration(seconds: int) -> str:
    """Return a duration as people say it, rounded down to minutes: `2 h 05 min`."""
    minutes = max(0, seconds) // 60
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02} min" if hours else f"{rest} min"


def distance(metres: float) -> str:
    """Return a distance, to ten metres below one kilometre: `340 m`, `1.2 km`."""
    if metres < 1_000:  # noqa: PLR2004 - a kilometre
        return f"{round(metres, -1):.0f} m"
    return f"{metres / 1_000:.1f} km"


def percent(part: int, whole: int) -> int:
    """Return a share in whole percent, rounded down; 0 of nothing."""
    return 0 if whole <= 0 else max(0, min(100, part * 100 // whole))


def share(part: int, whole: int) -> float:
    """Return a share in percent with a tenth, for drawing; what is there at all is seen."""
    return 0.0 if part <= 0 or whole <= 0 else max(0.4, min(100.0, part * 1_000 // whole / 10))


def when(at: str | None, form: str = "datetime") -> Markup:
    """Return an instant as a `<time>` in UTC, which a script writes anew in the reader's time zone.

    Args:
        at: ISO 8601 with its offset, as the API writes it; None is a dash.
        form: `datetime`, `date` or `time`.
    """
    if not at:
        return Markup("\N{EN DASH}")
    instant = datetime.fromisoformat(at).astimezone(UTC)
    shapes = {"datetime": "%-d %b %Y, %H:%M UTC", "date": "%-d %b %Y", "time": "%H:%M UTC"}
    return Markup('<time datetime="{}" data-local="{}">{}</time>').format(
        instant.isoformat(), form, instant.strftime(shapes[form])
    )


def day(on: str | None) -> Markup:
    """Return a calendar day as a `<time>`: `4 Mar 2026`; None is a dash.

    Args:
        on: ISO 8601, a local date of wherever it belongs to; nobody's time zone changes it.
    """
    if not on:
        return Markup("\N{EN DASH}")
    known = date.fromisoformat(on)
    return Markup('<time datetime="{}">{}</time>').format(known.isoformat(), day_text(known))


def day_text(on: date) -> str:
    """Return a calendar day as people write it: `4 Mar 2026`."""
    return f"{on.day} {on:%b %Y}"


def problem_at(problem: dict[str, Any] | None, name: str) -> str:
    """Return what is wrong with a field of a form, empty for nothing."""
    errors = (problem or {}).get("errors") or ()
    return next((one["message"] for one in errors if field_of(one["pointer"]) == name), "")


def field_of(pointer: str) -> str:
    """Return the field of a form that a problem points to."""
    return pointer.rpartition("/")[2]


@cache
def content(name: str) -> bytes | None:
    """Return a file that pages load, None where there is none of that name."""
    found = files("nerava.web").joinpath("static", name)
    return found.read_bytes() if found.is_file() else None


@cache
def asset(name: str) -> str:
    """Return the address of a file that pages load; it changes with the content, so it may be kept for ever.

    Raises:
        AssertionError: No such file; a template names it wrongly.
    """
    held = content(name)
    if held is None:
        message = f"no such file: {name}"
        raise AssertionError(message)
    return f"/static/{name}?v={hashlib.sha256(held).hexdigest()[:12]}"


def _form_key() -> str:
    return str(new_id())


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("nerava.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    shown: dict[str, Any] = {
        "money": money,
        "number": number,
        "energy": energy,
        "duration": duration,
        "distance": distance,
        "when": when,
        "day": day,
    }
    made.filters.update(shown)
    made.globals.update(
        asset=asset,
        field_of=field_of,
        form_key=_form_key,
        percent=percent,
        problem_at=problem_at,
        share=share,
        word=word,
    )
    return made


def drawn(template: str, shown: dict[str, Any]) -> str:
    """Return a page as HTML.

    Args:
        template: Its file below `templates`.
        shown: What it names; a name that is missing is a mistake of ours and raises.
    """
    return _environment().get_template(template).render(shown)
