"""Rows of the application that commit together with a chain, or not at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.ledger.values import Verdict


class Effect(ABC):
    """A change that belongs to a posting: the grant, the redemption, the outbox event, the answer.

    A subclass is a small value. Its instances of one batch are applied together by one call of
    `apply_batch`, inside the transaction that posts the chains.

    Attributes:
        applies_to: `posted` runs for chains posted just now, not for repetitions (their effect is
            there already); `any` runs for every verdict and must itself be safe to repeat.
    """

    applies_to: ClassVar[Literal["posted", "any"]] = "posted"

    @classmethod
    @abstractmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        """Write the rows of these effects with as few statements as possible.

        Raises:
            EffectRefused: A row could not be written as it must. The whole batch is rolled back
                and every chain is tried again alone, so only the guilty one fails.
        """
