"""A new campaign: begun from an example, filled in on one page, and kept as a draft that costs nothing."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import Repeats, guarded
from nerava.platform.problem import InvalidInput
from nerava.web.site.calling import Refused
from nerava.web.site.page import Page, Shown, page_for, pages
from nerava.web.site.rendering import field_of
from nerava.web.sponsor.asking import kept_key, wrong_field
from nerava.web.sponsor.draft_rules import field_at, fields_of, rules_of
from nerava.web.sponsor.rule_words import rule_sentences
from nerava.web.sponsor.term_words import EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.web.site.forms import Form
    from nerava.web.site.page import Wrong

routes: Final = pages("sponsor", "/sponsor/campaigns")

_CAPS: Final = (
    "session_points_max",
    "driver_day_points_max",
    "driver_points_max",
    "points_expire_after_days",
)
_NUMBERS: Final = ("evidence_min", "settle_level", "settle_within_days", "holdout_percent")
_DAY: Final = re.compile(r"20\d\d-\d\d-\d\d|21\d\d-\d\d-\d\d", re.ASCII)
_PLACED: Final = re.compile(r"(?P<place>[A-Za-z0-9_/-]+): (?P<reason>.+)", re.DOTALL)


@routes.get("/new")
@guarded(page_for(Role.SPONSOR))
async def new(page: Shown, example: Annotated[int, Query(ge=0, le=50)] = 0) -> Response:
    """Show the examples, and a form that the chosen one has filled in."""
    return await _drawn(page, chosen=example)


@routes.post("/new")
@guarded(page_for(Role.SPONSOR, repeats=Repeats.BY_MEANING))
async def draft(page: Shown) -> Response:
    """Keep the campaign as a draft, once for each form, and show what it would have cost."""
    form = await page.form()
    rules: list[dict[str, Any]] = []
    try:
        rules = rules_of(form, page.wired.currency)
        if form.maybe("budget"):
            form.minor("budget", page.wired.currency)
        body = {**_body(form), "rules": rules}
        drafted = await page.api.post("/v1/campaigns", body, key=form.key or None)
    except (Refused, InvalidInput) as error:
        return await _drawn(page, _at_fields(error, rules), form)
    budget = form.maybe("budget")
    query = f"?{urlencode({'budget': budget})}" if budget else ""
    return page.go(f"/sponsor/campaigns/{drafted['id']}{query}", "campaign-drafted")


def _body(form: Form) -> dict[str, Any]:
    starts, ends = _day(form, "starts_on"), _day(form, "ends_on")
    if ends < starts:
        raise wrong_field("ends_on", "not before it starts")
    body: dict[str, Any] = {
        "name": form.text("name", most=200),
        "starts_at": _midnight(starts),
        "ends_at": _midnight(ends + timedelta(days=1)),
        "expired_points_to": form.text("expired_points_to", most=20),
    }
    body |= {name: form.whole(name) for name in _NUMBERS}
    caps = {name: form.maybe_whole(name) for name in _CAPS}
    return body | {name: value for name, value in caps.items() if value is not None}


def _day(form: Form, name: str) -> date:
    text = form.text(name, most=20)
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise wrong_field(name, "a day, as in 2027-03-01")


def _midnight(day: date) -> str:
    return datetime.combine(day, time(), UTC).isoformat()


def _typed(example: Mapping[str, Any], currency: str) -> dict[str, str]:
    """Return the fields of a form that an example fills in."""
    ends = datetime.fromisoformat(example["ends_at"]) - timedelta(days=1)
    fields = {
        "name": example["name"],
        "starts_on": example["starts_at"][:10],
        "ends_on": ends.date().isoformat(),
        "expired_points_to": example["expired_points_to"],
    }
    for name in (*_NUMBERS, *_CAPS):
        fields[name] = "" if example[name] is None else str(example[name])
    return fields | fields_of(example["rules"], currency)


def _at_fields(error: Wrong, rules: list[dict[str, Any]]) -> Wrong:
    """Return a refusal of the API with its errors at the fields of the form."""
    if not isinstance(error, Refused) or not error.problem.get("errors"):
        return error
    errors = [_at_field(one, rules) for one in error.problem["errors"]]
    return Refused(error.status, {**error.problem, "errors": errors})


def _at_field(one: Mapping[str, Any], rules: list[dict[str, Any]]) -> dict[str, Any]:
    pointer, message = str(one["pointer"]), str(one["message"])
    name = field_of(pointer)
    placed = _PLACED.fullmatch(message)
    if name in {"rules", "body"} and placed is not None:
        place, message = placed["place"], placed["reason"]
        name = (
            field_at(rules, place.removeprefix("rules/"))
            if name == "rules" or "rules" in place
            else field_of(place)
        )
    name = {"starts_at": "starts_on", "ends_at": "ends_on", "body": "name"}.get(name, name)
    return {**one, "pointer": f"form/{name}", "message": message.removeprefix("Value error, ")}


async def _drawn(
    page: Page, error: Wrong | None = None, form: Form | None = None, *, chosen: int = 0
) -> Response:
    found = await page.api.get("/v1/campaign-examples")
    currency = page.wired.currency
    examples = [(one["name"], rule_sentences(one["rules"], currency)) for one in found["items"]]
    chosen = min(chosen, len(examples) - 1)
    return page.show(
        "sponsor/new.html",
        error=error,
        examples=examples,
        chosen=chosen,
        typed=_typed(found["items"][chosen], currency) if form is None else form.fields,
        proofs=[(str(level), f"{text[:1].upper()}{text[1:]}") for level, text in sorted(EVIDENCE.items())],
        key=None if form is None else kept_key(error, form),
    )
