"""What the product asks of somebody who keeps customer records."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nerava.kernel.outcomes import Ok, Outcome, Refused

Value: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as the records are to have them.

    Attributes:
        trace: Our id; the answer about each person is found by it.
        remote_id: The records' own name, once it is known.
    """

    trace: UUID
    remote_id: str | None
    email: str = field(repr=False)
    properties: Mapping[str, Value] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to somebody.

    Attributes:
        at: When, aware UTC.
    """

    trace: UUID
    remote_id: str
    name: str
    at: datetime
    properties: Mapping[str, Value] = field(default_factory=dict)


GONE: str = "gone"
"""The refusal for a person whom the records do not have under the name that we know."""


class Crm(Protocol):
    """Customer records somewhere else. Calls end within their deadlines and never raise for an outcome."""

    people_max: int
    happenings_max: int
    """How many go into one call."""

    def keep(self, people: Sequence[Person]) -> Outcome[Mapping[UUID, Ok[str] | Refused]]:
        """Write people, all of them known there by name or none; say of each what became of them.

        Repeats safely. `Refused` is about all of them: one bad row may be the cause.
        """

    def tell(self, happenings: Sequence[Happening]) -> Outcome[None]:
        """Tell what happened. Does not repeat safely: what may have been told is `Unknown`."""

    def forget(self, remote_id: str | None, email: str | None, *, for_good: bool) -> Outcome[None]:
        """Remove somebody, by name or else by address; who is not there is removed. Repeats safely.

        Args:
            remote_id: The records' name; None if the answer that told it never came.
            email: The address under which they were sent.
            for_good: Erased beyond recovery.
        """

    def close(self) -> None:
        """Close the connections."""
