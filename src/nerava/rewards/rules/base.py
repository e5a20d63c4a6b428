"""What an earning rule is, and the three answers it can give."""

from __future__ import annotations

from abc import abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from nerava.rewards.past import SOMEBODY_NEW, Ask, Past

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession

Facts = dict[str, int | str]
POINTS_MAX: Final = 1_000_000
"""The most points that one rule may promise for one session, or for one kWh."""


class Answer(StrEnum):
    """How a rule answers."""

    EARNED = "earned"
    PASSED = "passed"
    REFUSED = "refused"


class Judgement(NamedTuple):
    """One rule's answer to one session.

    Attributes:
        code: Why, as `rule.reason`; stable, and the key of the sentence that people read.
        points: What the rule adds; 0 unless earned.
        facts: Numbers and ids that the sentence needs, units in their names. Rules' own limits
            are repeated here, so that an old decision can be read without the rule.
    """

    answer: Answer
    code: str
    points: int
    facts: Facts


def thousandths(value: int) -> str:
    """Return a number of thousandths as a decimal number without trailing zeros: 7430 is 7.43."""
    whole, rest = divmod(value, 1_000)
    decimals = f"{rest:03}".rstrip("0")
    return f"{whole}.{decimals}" if decimals else str(whole)


# The generated constructor of a named tuple costs twice as much, and twenty campaigns ask for sixty.
_new: Final = tuple.__new__


def earned(points: int, because: str, **facts: int | str) -> Judgement:
    """Return the answer of a rule that adds points."""
    return _new(Judgement, (Answer.EARNED, because, points, facts))


def passed(because: str, **facts: int | str) -> Judgement:
    """Return the answer of a condition that is met."""
    return _new(Judgement, (Answer.PASSED, because, 0, facts))


def refused(because: str, **facts: int | str) -> Judgement:
    """Return the answer of a rule that adds nothing, or of a condition that is not met."""
    return _new(Judgement, (Answer.REFUSED, because, 0, facts))


class Rule(BaseModel):
    """One earning rule: data that survives JSON, and a pure judgement.

    A *condition* refuses the campaign when it refuses; any other rule that refuses only adds
    nothing, so a bonus that is missed does not cost the rest. The fields have limits, so that no
    campaign can promise what a 64-bit ledger could not hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    is_condition: ClassVar[bool] = False

    @property
    @abstractmethod
    def promise(self) -> str:
        """What the rule says to people before they charge: a sentence without its full stop."""

    def promised_points(self, energy_wh: int) -> int:  # noqa: ARG002 - conditions give nothing
        """Return the most that a session of so much energy earns by it; 0 for a condition."""
        return 0

    @abstractmethod
    def judge(self, session: EvidencedSession) -> Judgement:
        """Answer for one session; the same facts always get the same answer."""


class PastRule(Rule):
    """A rule that asks what the driver did before. It gets it as a value and loads nothing.

    What it answered when a session was decided stands: better evidence of the same session is judged
    with the same past.
    """

    asks: ClassVar[Ask]

    @abstractmethod
    def judge(self, session: EvidencedSession, past: Past = SOMEBODY_NEW) -> Judgement:
        """Answer for one session and the past of its driver."""
