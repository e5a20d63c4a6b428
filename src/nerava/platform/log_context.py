"""What every record of the log says beside its own words while a request or a round of work lasts."""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_ABOUT: Final[ContextVar[Mapping[str, str]]] = ContextVar("logged_about", default=_NOTHING)

Before: TypeAlias = "Token[Mapping[str, str]]"


def begin_about(fields: Mapping[str, str]) -> Before:
    """Have records say these fields from now on, in this thread or task and what it begins."""
    return _ABOUT.set(fields)


def end_about(before: Before) -> None:
    """Have them say again what they said before."""
    _ABOUT.reset(before)


def about() -> Mapping[str, str]:
    """Return what records say now."""
    return _ABOUT.get()
