"""A number that is looked up when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from nerava.platform.metrics.catalogue import Metric


class Sample(NamedTuple):
    """One number: of which metric, with which values of its labels, in their order."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


Reading: TypeAlias = Callable[[], Iterable[Sample]]
"""Looks numbers up; short, and from any thread."""
