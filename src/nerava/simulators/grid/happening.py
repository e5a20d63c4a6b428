"""What happens to the simulated grid without a call: gaps, late corrections, tokens that end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.errors import NoSuchThing, NotPossible
from nerava.simulators.grid.truth import HOUR_S, STEP_S, Truth, second_of
from nerava.simulators.grid.watttime import USER
from nerava.simulators.moments import ByHand, lets_happen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from nerava.simulators.grid.engine import GridEngine
    from nerava.simulators.grid.watttime import WattTimeEngine
    from nerava.simulators.wire import Json

DAYS_MAX: Final = 40


class GridByHand(ByHand):
    """What a test holds of WattTime, Electricity Maps, EIA and the Utility Rate Database."""

    def __init__(
        self,
        watttime: WattTimeEngine,
        others: Mapping[str, GridEngine],
        moment: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__(moment)
        self._watttime = watttime
        self._engines = {watttime.name: watttime, **others}

    @property
    def username(self) -> str:
        """Our account at WattTime; its password is its key."""
        return USER

    def key(self, provider: str) -> str:
        """Return our key at a provider; drawn anew by every reset."""
        return self._engine(provider).state.key

    def grams(self, provider: str, at: str) -> float | None:
        """Return what a kilowatt-hour really emits at an instant."""
        with self.moment():
            second = _second(at)
            truth = self._engine(provider).state.truth
            return truth.grams_at(second) if provider == self._watttime.name else truth.hour_at(second)

    def play(self, file: Path) -> None:
        """Let all of them tell of a recorded series, moved to today by whole years of weeks."""
        with self.moment():
            for engine in self._engines.values():
                engine.state.truth.play(file)

    @lets_happen
    def gap(self, provider: str, since: str, until: str) -> Json:
        """Let nobody know anything of the time between two instants."""
        span = _second(since), _second(until)
        self._truth(provider).gaps.append(span)
        return {"seconds": span[1] - span[0]}

    @lets_happen
    def close_gaps(self, provider: str) -> Json:
        """Let it be known after all."""
        found = self._truth(provider)
        closed, found.gaps = len(found.gaps), []
        return {"closed": closed}

    @lets_happen
    def correct(self, provider: str, since: str, until: str, grams: float) -> Json:
        """Let something else have been true between two instants; whole steps of five minutes."""
        first, last = _second(since), _second(until)
        if first % STEP_S or not first < last <= first + DAYS_MAX * 24 * HOUR_S:
            raise NotPossible("a correction starts with a step and is at most forty days long")
        self._truth(provider).correct(first, last, grams)
        return {"steps": (last - first) // STEP_S}

    @lets_happen
    def end_tokens(self) -> Json:
        """Let every token of WattTime end."""
        self._watttime.end_tokens()
        return {}

    def _truth(self, provider: str) -> Truth:
        return self._engine(provider).state.truth

    def _engine(self, provider: str) -> GridEngine:
        if provider not in self._engines:
            raise NoSuchThing(f"there is no {provider} of the grid")
        return self._engines[provider]


def _second(told: str) -> int:
    found = second_of(told)
    if found is None:
        raise NotPossible("an instant is written like 2026-11-02T12:00:00Z")
    return found
