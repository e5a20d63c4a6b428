"""A condition: at one of these charging locations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal
from uuid import UUID

from pydantic import Field, PlainSerializer

from nerava.rewards.rules.base import Judgement, Rule, passed, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


def _in_order(ids: frozenset[UUID]) -> list[UUID]:
    return sorted(ids)


LocationIds = Annotated[
    frozenset[UUID],
    Field(min_length=1, max_length=10_000),
    PlainSerializer(_in_order, return_type=list[UUID]),
]


_LISTED: Final = passed("locations.listed")
_ELSEWHERE: Final = refused("locations.elsewhere")


class Locations(Rule):
    """The session must have taken place at one of the listed charging locations."""

    is_condition: ClassVar[bool] = True

    kind: Literal["locations"] = "locations"
    location_ids: LocationIds

    @property
    def promise(self) -> str:
        """The rule in words."""
        return "At places that take part"

    def judge(self, session: EvidencedSession) -> Judgement:
        """Pass at a listed location."""
        return _LISTED if session.location_id in self.location_ids else _ELSEWHERE
