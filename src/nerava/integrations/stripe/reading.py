"""Fields of Stripe's objects, read so that another form of them is noticed and not guessed at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from nerava.kernel.outcomes import Ok, Outcome, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


class OtherForm(ValueError):
    """An object lacks a field that we act on, or has it in another form."""


def text(of: Mapping[str, Any], name: str) -> str:
    """Return a field that must be text."""
    value = of.get(name)
    if not isinstance(value, str):
        raise OtherForm(name)
    return value


def whole(of: Mapping[str, Any], name: str) -> int:
    """Return a field that must be a whole number."""
    value = of.get(name)
    if type(value) is not int:
        raise OtherForm(name)
    return value


def inner(of: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a field that must be an object; an empty one where it is absent."""
    value = of.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise OtherForm(name)
    return value


def name_of(of: Mapping[str, Any], name: str) -> str | None:
    """Return the id in a field that holds an object, its id, or nothing."""
    value = of.get(name)
    if isinstance(value, dict):
        value = value.get("id")
    if value is not None and not isinstance(value, str):
        raise OtherForm(name)
    return value


def in_path(identifier: str) -> str:
    """Return an id as a part of a path."""
    return quote(identifier, safe="")


def read_as(outcome: Outcome[Any], read: Callable[[Any], T]) -> Outcome[T]:
    """Return the outcome with its value read; a value of another form is unknown, never a failure."""
    if not isinstance(outcome, Ok):
        return outcome
    try:
        return Ok(read(outcome.value))
    except OtherForm as error:
        return Unknown(f"other-form:{error}")
