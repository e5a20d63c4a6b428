"""Counts what happened in a transaction, once it is committed: what was rolled back never happened."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.platform.metrics.catalogue import Metric

_NAME: Final = "nerava.tally"

Tally: TypeAlias = "Counter[tuple[Metric, tuple[str, ...]]]"
"""How often each series grows with one commit."""


def begin_tally(session: Session) -> Tally:
    """Let what happens in this session be counted and return the counts, which grow until its commit."""
    counts: Tally = Counter()
    session.info[_NAME] = counts
    return counts


def tally(session: Session, metric: Metric, *labels: str) -> None:
    """Count one with the commit of this session; nothing where nobody measures."""
    counts = session.info.get(_NAME)
    if counts is not None:
        counts[metric, labels] += 1
