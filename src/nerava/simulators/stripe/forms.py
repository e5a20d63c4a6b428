"""Reads Stripe's form encoding, in which `a[b][0][c]=d` is an object in a list in an object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from nerava.simulators.stripe.problems import StripeProblem

if TYPE_CHECKING:
    from nerava.simulators.wire import Json

_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_PART: Final = re.compile(r"\[([^\[\]]*)\]")


def parse_form(text: str) -> Json:
    """Return what a body or a query string says; every value is text.

    Raises:
        StripeProblem: A name is no name, or stands for two things at once.
    """
    whole: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found = _NAME.match(name)
        if found is None:
            raise StripeProblem(400, "invalid_request_error", f"Invalid parameter name: {name}")
        _put(whole, [found.group(1), *_PART.findall(found.group(2))], value)
    return {name: _with_lists(value) for name, value in whole.items()}


def _put(whole: Json, path: list[str], value: str) -> None:
    here = whole
    for part in path[:-1]:
        here = here.setdefault(part or str(len(here)), {})
        if not isinstance(here, dict):
            raise StripeProblem(400, "invalid_request_error", f"Invalid hash: {path[0]}", param=path[0])
    last = path[-1] or str(len(here))
    if isinstance(here.get(last), dict):
        raise StripeProblem(400, "invalid_request_error", f"Invalid string: {path[0]}", param=path[0])
    here[last] = value


def _with_lists(value: Any) -> Any:  # noqa: ANN401 - text, object or list
    if not isinstance(value, dict):
        return value
    parts = {name: _with_lists(inner) for name, inner in value.items()}
    if parts and all(name.isdigit() for name in parts):
        return [parts[name] for name in sorted(parts, key=int)]
    return parts
