"""A condition: at one of these networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from pydantic import Field, PlainSerializer, StringConstraints

from nerava.rewards.rules.base import Judgement, Rule, passed, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession

_Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]


def _in_order(names: frozenset[str]) -> list[str]:
    return sorted(names)


_LISTED: Final = passed("networks.listed")
_ELSEWHERE: Final = refused("networks.elsewhere")


class Networks(Rule):
    """The session must have been told by one of the listed networks, for example `ocpi:DE-ABC`."""

    is_condition: ClassVar[bool] = True

    kind: Literal["networks"] = "networks"
    sources: Annotated[
        frozenset[_Name],
        Field(min_length=1, max_length=1_000),
        PlainSerializer(_in_order, return_type=list[str]),
    ]

    @property
    def promise(self) -> str:
        """The rule in words."""
        return "At networks that take part"

    def judge(self, session: EvidencedSession) -> Judgement:
        """Pass for a listed network."""
        return _LISTED if session.source in self.sources else _ELSEWHERE
