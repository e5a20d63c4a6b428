"""What the four have in common: reads with a key, nothing that repeats, nothing that happens by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from nerava.simulators.chance import Chance
from nerava.simulators.grid.truth import Truth
from nerava.simulators.keyless import Silent
from nerava.simulators.wire import Answer, ProviderSaysNo, as_json

if TYPE_CHECKING:
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.wire import Call, Json


@dataclass(slots=True)
class GridState:
    """Key, series, and whatever one of the four keeps besides."""

    key: str = ""
    truth: Truth = field(default_factory=Truth)
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class GridProblem(ProviderSaysNo):
    """An error, in the words of whoever answers."""

    status: int
    body: Json

    @property
    def reason(self) -> str:
        """What it says to people."""
        return str(self.body)


class GridEngine(Silent, ABC):
    """A `Provider` of the grid."""

    name = ""

    def __init__(self, timeline: Timeline, chance: Chance) -> None:
        self.timeline = timeline
        self._chance = chance
        self.state = GridState()

    def fresh(self) -> None:
        """Forget everything; key and series are drawn from the seed, not from anybody else's chance."""
        chance = Chance(self._chance.seed)
        self.state = GridState(self.name[0] + chance.text(39), Truth(self._chance.seed))

    def answer(self, call: Call) -> Answer:
        """Answer a call of the API."""
        try:
            if call.method != "GET":
                raise self.problem(405, None)
            return as_json(self.read(call, parse_qsl(call.query)), indent=None)
        except GridProblem as problem:
            return as_json(problem.body, problem.status, indent=None)

    @abstractmethod
    def read(self, call: Call, given: list[tuple[str, str]]) -> Json:
        """Return what is read."""

    def problem(self, status: int, code: str | None) -> GridProblem:
        """Return an error of this status."""
        return GridProblem(status, {"error": code or "An error occurred"})

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status."""
        told = self.problem(status, code)
        return as_json(told.body, told.status, indent=None)

    def believes(self) -> Json:
        """Return what was said otherwise than at first."""
        truth = self.state.truth
        return {"corrected": len(truth.corrected), "gaps": [list(one) for one in truth.gaps]}
