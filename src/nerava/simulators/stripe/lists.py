"""Pages of objects, newest first, and objects in place of their ids."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.stripe.problems import StripeProblem, invalid, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.wire import Json

LIMIT_MAX: Final = 100
LIMIT: Final = 10
EXPAND_DEPTH_MAX: Final = 4


def page(asked: Asked, found: Iterable[Json], url: str) -> Json:
    """Return one page of what was found, which comes newest first.

    Raises:
        StripeProblem: A limit outside 1 to 100, or a cursor that is not among what was found.
    """
    limit = asked.whole("limit")
    limit = LIMIT if limit is None else limit
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid("limit", f"This value must be between 1 and {LIMIT_MAX}, it is {limit}.")
    rows = list(found)
    after, before = asked.text("starting_after"), asked.text("ending_before")
    if after is not None and before is not None:
        raise invalid("starting_after", "You may only specify one of ending_before and starting_after.")
    if before is not None:
        rows = rows[: _place(rows, before, "ending_before")]
        return _page(rows[-limit:], url, has_more=len(rows) > limit)
    if after is not None:
        rows = rows[_place(rows, after, "starting_after") + 1 :]
    return _page(rows[:limit], url, has_more=len(rows) > limit)


def _page(rows: list[Json], url: str, *, has_more: bool) -> Json:
    return {"object": "list", "url": url, "has_more": has_more, "data": rows}


def _place(rows: list[Json], wanted: str, param: str) -> int:
    for number, row in enumerate(rows):
        if row["id"] == wanted:
            return number
    raise not_found("object", wanted, param, 400)


def created_within(asked: Asked, rows: Iterable[Json], name: str = "created") -> Iterable[Json]:
    """Yield the rows whose instant is in the asked interval: `created=…` or `created[gt|gte|lt|lte]=…`."""
    if isinstance(asked.get(name), str):
        at = asked.whole(name)
        return (row for row in rows if row[name] == at)
    bounds = {word: asked.whole(f"{name}.{word}") for word in ("gt", "gte", "lt", "lte")}
    tests: dict[str, Callable[[int, int], bool]] = {
        "gt": lambda value, bound: value > bound,
        "gte": lambda value, bound: value >= bound,
        "lt": lambda value, bound: value < bound,
        "lte": lambda value, bound: value <= bound,
    }
    return (
        row
        for row in rows
        if all(bound is None or tests[word](row[name], bound) for word, bound in bounds.items())
    )


def equal(asked: Asked, rows: Iterable[Json], *names: str) -> Iterable[Json]:
    """Yield the rows that have the asked value in each of these fields that was asked for."""
    wanted = {name: asked.text(name) for name in names}
    return (
        row for row in rows if all(value is None or row.get(name) == value for name, value in wanted.items())
    )


def expanded(document: Json, paths: list[str], look_up: Callable[[str], Json | None]) -> Json:
    """Return a copy with objects where ids stood, for each dotted path; `data.…` goes into a page.

    Raises:
        StripeProblem: A path that leads to nothing that can be expanded, or is too deep.
    """
    whole = copy.deepcopy(document)
    for path in paths:
        parts = path.split(".")
        if len(parts) > EXPAND_DEPTH_MAX + (parts[0] == "data"):
            raise invalid("expand", f"You cannot expand more than {EXPAND_DEPTH_MAX} levels of a property.")
        _expand(whole, parts, path, look_up)
    return whole


def _expand(here: Any, parts: list[str], path: str, look_up: Callable[[str], Json | None]) -> None:  # noqa: ANN401 - any JSON
    if isinstance(here, list):
        for one in here:
            _expand(one, parts, path, look_up)
        return
    name, *rest = parts
    if not isinstance(here, dict) or name not in here:
        raise StripeProblem(
            400, "invalid_request_error", f"This property cannot be expanded ({path}).", param="expand"
        )
    value = here[name]
    if isinstance(value, str):
        found = look_up(value)
        if found is None:
            raise StripeProblem(
                400, "invalid_request_error", f"This property cannot be expanded ({path}).", param="expand"
            )
        here[name] = value = copy.deepcopy(found)
    if rest and value is not None:
        _expand(value, rest, path, look_up)
