"""Where recording begins in a process: a request, a round of a job, work that was left for later, a batch."""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nerava.platform.request_kinds import METHODS, QUIET
from nerava.platform.tracing.context import Origin, origin_in
from nerava.platform.tracing.spans import (
    NAMES_KNOWN,
    NOTHING,
    About,
    Kind,
    Nothing,
    Span,
    current,
    is_on,
    named,
    size_of,
    span,
    taker,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from nerava.platform.tracing.spans import Bunch, Take

_SERVER_ERROR: Final = 500

KEPT_MAX: Final = 2_000
"""So many spans of one round of a job; a round that reads a country has more and tells how many."""

LINKS_MAX: Final = 32


class RequestSpan(Span):
    """A request from its first byte to the end of its answer, named by its route and never by its path."""

    __slots__ = ("_scope", "status")

    def __init__(
        self, scope: MutableMapping[str, Any], trace_id: str, parent: Origin | None, take: Take
    ) -> None:
        parent_id = 0 if parent is None else parent.span_id
        super().__init__(_UNANSWERED, trace_id=trace_id, parent_id=parent_id, take=take)
        self._scope = scope
        self.status = 0

    def end(self) -> None:
        """Say what only the end of a request knows: which route it was, and how it was answered."""
        scope, status = self._scope, self.status
        route = getattr(scope.get("route"), "path", None)
        self.about = _answered(scope["method"], route, scope.get("scheme", "http"), status)
        if status >= _SERVER_ERROR:
            self.failure = self.failure or str(status)
        super().end()


_UNANSWERED: Final = About("", Kind.SERVER)


@lru_cache(NAMES_KNOWN)
def _answered(method: str, route: str | None, scheme: str, status: int) -> About:
    method = method if method in METHODS else "_OTHER"
    found: dict[str, str | int] = {"http.request.method": method, "url.scheme": scheme}
    if route is not None:
        found["http.route"] = route
    if status:
        found["http.response.status_code"] = status
    return About(method if route is None else f"{method} {route}", Kind.SERVER, found)


class JobSpan(Span):
    """A round of a job; of one that found nothing to do and did not fail, nothing is kept."""

    __slots__ = ("_done", "_kept", "_kept_spans", "_left_out", "_onward")

    def __init__(self, name: str, trace_id: str, take: Take) -> None:
        self._kept: list[Bunch] = []
        self._kept_spans = 0
        self._left_out = 0
        self._onward = take
        self._done = 0
        about = named(f"job {name}", Kind.INTERNAL)
        super().__init__(about, trace_id=trace_id, parent_id=0, take=self._keep)

    def did(self, count: int) -> int:
        """Note how much was done, and return it."""
        self._done = count
        return count

    def end(self) -> None:
        """Hand on what was kept, if the round was worth it."""
        if self._done or self.failure is not None:
            self.set("nerava.job.done", self._done)
            if self._left_out:
                self.set("nerava.spans_left_out", self._left_out)
            super().end()
            for one in self._kept:
                self._onward(one)

    def _keep(self, bunch: Bunch) -> None:
        span, _, is_over = bunch
        if self._kept_spans < KEPT_MAX or (span is self and is_over):
            self._kept.append(bunch)
            self._kept_spans += size_of(bunch)
        else:
            self._left_out += size_of(bunch)


def serving(scope: MutableMapping[str, Any], trace_id: str, sent: str | None) -> RequestSpan | Nothing:
    """Return the span of a request, to be used with `with`; its `status` is for who answers to set.

    Args:
        scope: Of ASGI; the route is in it when the request is over.
        trace_id: As logs and problem documents say it.
        sent: The caller's `traceparent`, if it sent one.
    """
    if not is_on() or scope["path"] in QUIET:
        return NOTHING
    parent = origin_in(sent)
    take = taker(trace_id, parent)
    return NOTHING if take is None else RequestSpan(scope, trace_id, parent, take)


def job(name: str) -> JobSpan | Nothing:
    """Return the span of a round of a job, to be used with `with`; `did` says how much was done."""
    if not is_on():
        return NOTHING
    trace_id = secrets.token_hex(16)
    take = taker(trace_id, None)
    return NOTHING if take is None else JobSpan(name, trace_id, take)


def resumed(left: str | None, name: str, kind: int = Kind.CONSUMER) -> Span | Nothing:
    """Return a span of work that a request left for later, as a part of that request's trace.

    What is under way here, such as the round of a job, is linked. Work that nobody recorded is a part
    of what is under way.

    Args:
        left: What `stored` said when the work was written down.
        name: Of the kind of work.
        kind: `Kind.CONSUMER` for what came through a table.
    """
    origin = origin_in(left) if is_on() else None
    take = None if origin is None else taker(origin.trace_id, origin)
    if origin is None or take is None:
        return span(name, kind)
    found = Span(named(name, kind), trace_id=origin.trace_id, parent_id=origin.span_id, take=take)
    here = current()
    if here is not None:
        found.link(here.origin)
        if isinstance(here, JobSpan):
            here.link(found.origin)
    return found


def together(name: str, of: Iterable[Span | None]) -> Span | Nothing:
    """Return a span of what is done once for several: a part of the first, linked with the others."""
    if not is_on():
        return NOTHING
    some = [one for one in of if one is not None]
    if not some:
        return NOTHING
    found = some[0].child(named(name, Kind.INTERNAL))
    for one in some[1:LINKS_MAX]:
        found.link(one.origin)
        one.link(found.origin)
    return found
