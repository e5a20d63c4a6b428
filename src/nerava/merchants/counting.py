"""How often codes may be asked for, counted in the commit of each code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from nerava.ledger import Effect
from nerava.platform.limits import RateLimited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.ledger import Verdict
    from nerava.platform.limits import Hit, Limits


@dataclass(frozen=True, slots=True)
class CountCode(Effect):
    """A hit on the limits of a code that is shown; where one is full, the code is not given."""

    applies_to: ClassVar[Literal["posted", "any"]] = "posted"

    limits: Limits
    hits: tuple[Hit, ...]
    now: datetime

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        """Count the hits of a batch with two statements.

        Raises:
            RateLimited: It was one too many for somebody (429).
        """
        first = items[0][0]
        answers = first.limits.hit_each(session, [effect.hits for effect, _ in items], first.now)
        for one in answers:
            if isinstance(one, RateLimited):
                raise one
