"""How often codes may be asked for, counted in the commit of each code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from nerava.ledger import Effect

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
        """Count the hits of a batch, together as long as no two have a key in common.

        Raises:
            RateLimited: It was one too many for somebody (429).
        """
        waiting = [effect for effect, _ in items]
        while waiting:
            together: dict[Hit, None] = {}
            later = []
            for one in waiting:
                if any(hit in together for hit in one.hits):
                    later.append(one)
                else:
                    together.update(dict.fromkeys(one.hits))
            waiting[0].limits.hit(session, list(together), waiting[0].now)
            waiting = later
