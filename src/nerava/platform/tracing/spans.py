"""Spans, and the one switch of the process that decides whether there are any.

A trace, like the log, is the process's: whoever records calls `turn_on`, and whatever is instrumented
finds the span it belongs to in the context. Without a span in the context nothing is recorded, so the
price of a hook that is off is one look at a context variable.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from enum import IntEnum
from http import HTTPStatus
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self, TypeAlias

from nerava.kernel.errors import NeravaError
from nerava.platform.tracing.context import Origin, traceparent_of

Value: TypeAlias = str | int
Attributes: TypeAlias = Mapping[str, Value]

THREAD: Final = "tracing"
"""The name of the thread in which spans leave the process."""


class About:
    """What leaves of one kind say of themselves: the parts that are the same every time.

    Attributes:
        wire: The same as it is sent; for the encoder to keep.
    """

    __slots__ = ("attributes", "kind", "name", "wire")

    def __init__(self, name: str, kind: int, attributes: Attributes) -> None:
        self.name = name
        self.kind = kind
        self.attributes = attributes
        self.wire: bytes | None = None


class Leaf(NamedTuple):
    """A span that has no parts and nothing of its own to say: most are, so they have to be cheap.

    Attributes:
        began_ns: Monotonic, and so is `ended_ns`.
        failure: The class of what went wrong; None if nothing did.
    """

    about: About
    trace_id: str
    parent_id: int
    began_ns: int
    ended_ns: int
    failure: str | None


class Kind(IntEnum):
    """Which side of a call a span is, with the numbers of OTLP."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class Span:
    """One piece of work: from `with` to its end, whatever thread that is in.

    Names and attributes are words of ours: kinds of things and never which one. Who ends a span by
    an exception leaves the class of it there and nothing of its text.

    Attributes:
        own: What it says of itself.
        began_ns: Monotonic, and so is `ended_ns`.
        failure: The class of what went wrong; None if nothing did.
    """

    __slots__ = (
        "_take",
        "_token",
        "began_ns",
        "ended_ns",
        "failure",
        "kind",
        "links",
        "name",
        "own",
        "parent_id",
        "span_id",
        "trace_id",
    )

    def __init__(self, name: str, kind: int, *, trace_id: str, parent_id: int, take: Take) -> None:
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.own: dict[str, Value] | None = None
        self.links: list[Origin] | None = None
        self.failure: str | None = None
        self.ended_ns = 0
        self._take = take
        self._token: Token[Span | None] | None = None
        self.span_id = random.getrandbits(64) or 1
        self.began_ns = time.monotonic_ns()

    def __enter__(self) -> Self:
        """Make it the span that further ones are parts of."""
        self._token = _CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and hand it on."""
        if self._token is not None:
            _CURRENT.reset(self._token)
            self._token = None
        if error is not None:
            self.fail(error)
        self.end()

    def __bool__(self) -> Literal[True]:
        """Say that there is a span."""
        return True

    def child(self, name: str, kind: int) -> Span:
        """Return a span that begins now as a part of this one."""
        return Span(name, kind, trace_id=self.trace_id, parent_id=self.span_id, take=self._take)

    def leaf(self, about: About, began_ns: int, error: BaseException | None = None) -> None:
        """Hand on a part of this one that ends now and has none itself."""
        failure = None if error is None else failure_of(error)
        self._take(Leaf(about, self.trace_id, self.span_id, began_ns, time.monotonic_ns(), failure))

    def set(self, name: str, value: Value) -> None:
        """Say something about this span; neither a secret nor who or what in particular it is about."""
        if self.own is None:
            self.own = {}
        self.own[name] = value

    def link(self, other: Origin) -> None:
        """Point to a span that this one has to do with and is no part of."""
        if self.links is None:
            self.links = []
        self.links.append(other)

    def fail(self, error: BaseException) -> None:
        """Note how it went wrong."""
        self.failure = failure_of(error)

    def end(self) -> None:
        """End it, and hand it to who takes the spans of its trace."""
        self.ended_ns = time.monotonic_ns()
        self._take(self)

    @property
    def origin(self) -> Origin:
        """This span, as others point to it."""
        return Origin(self.trace_id, self.span_id, is_sampled=True)


Take: TypeAlias = Callable[[Span | Leaf], None]


def failure_of(error: BaseException) -> str | None:
    """Return the class of what went wrong; None for a refusal, which is an answer as good as any."""
    refused = isinstance(error, NeravaError) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return None if refused else type(error).__name__


class Nothing:
    """Stands where a span would be while nothing is recorded; as a condition it is false."""

    __slots__ = ()

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def __bool__(self) -> Literal[False]:
        """Say that there is no span."""
        return False

    def set(self, name: str, value: Value) -> None:
        """Do nothing."""

    def did(self, count: int) -> int:
        """Return the count."""
        return count


NOTHING: Final = Nothing()

_CURRENT: Final[ContextVar[Span | None]] = ContextVar("span", default=None)


class _Process:
    """Whether this process records, who takes what it records, and how many of its own traces."""

    take: Take | None = None
    sampled_below: int = 0


_PROCESS: Final = _Process()
_ALL: Final = 1 << 64


def turn_on(take: Take, *, ratio: float = 1.0) -> None:
    """Record from now on; connections to databases that were opened before stay unrecorded.

    Args:
        take: Is handed every span at its end, from any thread; must neither fail nor take long.
        ratio: Of the traces that begin here, how many are recorded, from 0 to 1. A trace that comes
            from outside is recorded if it says that it is.
    """
    _PROCESS.sampled_below = round(ratio * _ALL)
    _PROCESS.take = take


def turn_off() -> None:
    """Record nothing more; spans that are under way still end where they would have. Repeats safely."""
    _PROCESS.take = None


def is_on() -> bool:
    """Return whether this process records at all."""
    return _PROCESS.take is not None


def taker(trace_id: str, origin: Origin | None) -> Take | None:
    """Return who takes the spans of a trace that comes here or begins here; None if it is not recorded."""
    take = _PROCESS.take
    if take is None:
        return None
    if origin is not None:
        return take if origin.is_sampled else None
    # The same half of the id that others decide by, so that programs with one ratio record the same traces.
    return take if int(trace_id[16:], 16) < _PROCESS.sampled_below else None


def current() -> Span | None:
    """Return the span that is under way here; None where nothing is recorded."""
    return _CURRENT.get()


def span(name: str, kind: int = Kind.INTERNAL) -> Span | Nothing:
    """Return a part of the span that is under way, to be used with `with`; nothing where there is none."""
    parent = _CURRENT.get()
    return NOTHING if parent is None else parent.child(name, kind)


def onward() -> list[tuple[str, str]]:
    """Return the headers that let a call to another program be a part of the span that is under way."""
    here = _CURRENT.get()
    return [] if here is None else [("traceparent", traceparent_of(here.trace_id, here.span_id))]


def stored() -> str | None:
    """Return what a row keeps of the span that is under way, for work that is done later; 55 characters."""
    here = _CURRENT.get()
    return None if here is None else traceparent_of(here.trace_id, here.span_id)
