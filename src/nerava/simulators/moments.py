"""Lets something happen in the simulated world by hand: alone, and with all that follows from it at once."""

from __future__ import annotations

import copy
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from nerava.simulators.errors import NotPossible
from nerava.simulators.wire import ProviderSaysNo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from nerava.simulators.wire import Json

P = ParamSpec("P")
H = TypeVar("H", bound="ByHand")


class ByHand:
    """Something whose methods marked with `lets_happen` may be called from any thread."""

    def __init__(self, moment: Callable[[], AbstractContextManager[None]]) -> None:
        self.moment = moment

    def by_name(self) -> Mapping[str, Callable[..., Json]]:
        """Return what can happen, by its name in the control plane."""
        names = (name for name, found in vars(type(self)).items() if hasattr(found, "lets_happen"))
        return {name: getattr(self, name) for name in names}


def lets_happen(method: Callable[Concatenate[H, P], Json]) -> Callable[Concatenate[H, P], Json]:
    """Run a method alone in the world; what it returns is a copy, which nothing changes afterwards."""

    @wraps(method)
    def happens(self: H, /, *args: P.args, **named: P.kwargs) -> Json:
        try:
            with self.moment():
                found = method(self, *args, **named)
        except ProviderSaysNo as refusal:
            raise NotPossible(refusal.reason) from None
        return copy.deepcopy(found)

    happens.lets_happen = True  # type: ignore[attr-defined]
    return happens
