"""What one piece of work took and what it was a part of; while nobody asked for it, next to nothing."""

from nerava.platform.tracing.context import Origin, origin_in, traceparent_of
from nerava.platform.tracing.roots import JobSpan, RequestSpan, job, resumed, serving, together
from nerava.platform.tracing.spans import (
    THREAD,
    Kind,
    Leaf,
    Nothing,
    Span,
    Take,
    current,
    is_on,
    onward,
    span,
    stored,
    turn_off,
    turn_on,
)

__all__ = [
    "THREAD",
    "JobSpan",
    "Kind",
    "Leaf",
    "Nothing",
    "Origin",
    "RequestSpan",
    "Span",
    "Take",
    "current",
    "is_on",
    "job",
    "onward",
    "origin_in",
    "resumed",
    "serving",
    "span",
    "stored",
    "together",
    "traceparent_of",
    "turn_off",
    "turn_on",
]
