"""Spans, and the one switch of the process that decides whether there are any.

A trace, like the log, is the process's: whoever records calls `turn_on`, and whatever is instrumented
finds the span it belongs to in the context. Without a span in the context nothing is recorded, so the
price of a hook that is off is one look at a context variable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from enum import IntEnum
from functools import lru_cache
from http import HTTPStatus
from random import getrandbits
from time import monotonic_ns
from types import MappingProxyType, TracebackType
from typing import Final, Literal, Self, TypeAlias

from nerava.kernel.errors import NeravaError
from nerava.platform.tracing.context import Origin, traceparent_of

Value: TypeAlias = str | int
Attributes: TypeAlias = Mapping[str, Value]

THREAD: Final = "tracing"
"""The name of the thread in which spans leave the process."""

PARTS_MAX: Final = 64
"""So many statements of a span wait for its end; more go before it."""

NAMES_KNOWN: Final = 4_096
_NO_ATTRIBUTES: Final[Attributes] = MappingProxyType({})


class About:
    """What spans of one kind say of themselves: the parts that are the same every time.

    Attributes:
        wire: The same as it is sent; for the encoder to keep.
    """

    __slots__ = ("attributes", "kind", "name", "wire")

    def __init__(self, name: str, kind: int, attributes: Attributes = _NO_ATTRIBUTES) -> None:
        self.name = name
        self.kind = kind
        self.attributes = attributes
        self.wire: bytes | None = None


@lru_cache(NAMES_KNOWN)
def named(name: str, kind: int) -> About:
    """Return what a span says of itself that has a name and nothing else."""
    return About(name, kind)


Part: TypeAlias = tuple[str, str, int, int, str | None]
"""A statement: its text, the system it was for, its begin and its end (monotonic, in nanoseconds), and how it
failed. Most of what is recorded is this, so it has to be cheap: what is told of it, the encoder finds out."""


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
        about: What it has in common with others of its kind.
        own: What it says of itself beyond that.
        parts: Statements under it that were not handed on yet.
        began_ns: Monotonic, and so is `ended_ns`, which is 0 until it ends.
        failure: The class of what went wrong; None if nothing did.
    """

    __slots__ = (
        "_take",
        "_token",
        "about",
        "began_ns",
        "ended_ns",
        "failure",
        "links",
        "own",
        "parent_id",
        "parts",
        "span_id",
        "trace_id",
    )

    def __init__(self, about: About, *, trace_id: str, parent_id: int, take: Take) -> None:
        self.about = about
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.own: dict[str, Value] | None = None
        self.links: list[Origin] | None = None
        self.failure: str | None = None
        self.parts: list[Part] = []
        self.ended_ns = 0
        self._take = take
        self._token: Token[Span | None] | None = None
        self.span_id = getrandbits(64) or 1
        self.began_ns = monotonic_ns()

    def __enter__(self) -> Self:
        """Make it the span that further ones are parts of."""
        self._token = CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and hand it on."""
        if self._token is not None:
            CURRENT.reset(self._token)
            self._token = None
        if error is not None:
            self.fail(error)
        self.end()

    def __bool__(self) -> Literal[True]:
        """Say that there is a span."""
        return True

    def child(self, about: About) -> Span:
        """Return a span that begins now as a part of this one."""
        return Span(about, trace_id=self.trace_id, parent_id=self.span_id, take=self._take)

    def ran(self, text: str, system: str, began_ns: int, error: BaseException | None = None) -> None:
        """Note a statement that ends now as a part of this span; one that has ended takes it, too."""
        parts = self.parts
        parts.append((text, system, began_ns, monotonic_ns(), None if error is None else failure_of(error)))
        if self.ended_ns or len(parts) >= PARTS_MAX:
            self._hand_on(is_over=False)

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
        self.ended_ns = monotonic_ns()
        self._hand_on(is_over=True)

    @property
    def origin(self) -> Origin:
        """This span, as others point to it."""
        return Origin(self.trace_id, self.span_id, is_sampled=True)

    def _hand_on(self, *, is_over: bool) -> None:
        # Whoever comes later writes into another list, so nothing is handed on twice.
        parts, self.parts = self.parts, []
        self._take((self, parts, is_over))


Bunch: TypeAlias = tuple[Span, list[Part], bool]
"""Parts of a span, and whether it is over, and so goes with them."""

Take: TypeAlias = Callable[[Bunch], None]


def size_of(bunch: Bunch) -> int:
    """Return how many spans are handed on together."""
    _, parts, is_over = bunch
    return len(parts) + is_over


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


class Statement:
    """Notes what one statement took, as a part of a span."""

    __slots__ = ("_began_ns", "_parent", "_system", "_text")

    def __init__(self, parent: Span, text: str, system: str) -> None:
        self._parent = parent
        self._text = text
        self._system = system
        self._began_ns = monotonic_ns()

    def __enter__(self) -> None:
        """Do nothing: it has begun."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Note it."""
        self._parent.ran(self._text, self._system, self._began_ns, error)


CURRENT: Final[ContextVar[Span | None]] = ContextVar("span", default=None)
"""For the hooks that are passed most often; everybody else asks `current`."""


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
    below = _PROCESS.sampled_below
    return take if below == _ALL or int(trace_id[16:], 16) < below else None


def current() -> Span | None:
    """Return the span that is under way here; None where nothing is recorded."""
    return CURRENT.get()


def span(name: str, kind: int = Kind.INTERNAL) -> Span | Nothing:
    """Return a part of the span that is under way, to be used with `with`; nothing where there is none."""
    parent = CURRENT.get()
    return NOTHING if parent is None else parent.child(named(name, kind))


def statement(text: str, system: str) -> Statement | Nothing:
    """Return what notes a statement that goes by no cursor, to be used with `with`."""
    parent = CURRENT.get()
    return NOTHING if parent is None else Statement(parent, text, system)


def onward() -> list[tuple[str, str]]:
    """Return the headers that let a call to another program be a part of the span that is under way."""
    here = CURRENT.get()
    return [] if here is None else [("traceparent", traceparent_of(here.trace_id, here.span_id))]


def stored() -> str | None:
    """Return what a row keeps of the span that is under way, for work that is done later; 55 characters."""
    here = CURRENT.get()
    return None if here is None else traceparent_of(here.trace_id, here.span_id)
