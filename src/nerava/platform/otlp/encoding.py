"""Spans as OTLP has them on the wire: protobuf, by the classes that OpenTelemetry publishes.

Making a message of theirs for every span was most of what tracing cost. A message may be sent in pieces,
one after the other, so the pieces that are the same in many spans are made once and kept, and of the
rest, which has a fixed length, one call of `struct` makes the bytes. Fields may come in any order: what is
kept of a statement stands first, and the length of the whole with it.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from itertools import chain
from random import getrandbits
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from nerava.platform.tracing.cursors import described

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nerava.platform.tracing import About, Bunch, Origin, Span
    from nerava.platform.tracing.spans import Part, Value

SCOPE: Final = "nerava"
PIECES_KEPT: Final = 4_096
_SAMPLED: Final = 1
_VARINT_MORE: Final = 0x80

_SPANS: Final = b"\x12"
"""Field 2 of `ScopeSpans`, the spans: their length follows."""

_SCOPE_SPANS: Final = b"\x12"
"""Field 2 of `ResourceSpans`."""

_RESOURCE_SPANS: Final = b"\x0a"
"""Field 1 of `ExportTraceServiceRequest`."""

_TIMES: Final = struct.Struct("<cQcQ")
"""Of `Span`: 7 start and 8 end, each after its number."""

_PART: Final = struct.Struct("<HQcQcQ")
"""The same after 2 span_id, the id of a span that nobody else names."""

_TRACE_ID: Final = b"\x0a\x10"
_SPAN_ID: Final = b"\x12\x08"
_PARENT_ID: Final = b"\x22\x08"
_STARTS: Final = b"\x39"
_ENDS: Final = b"\x41"
_SAMPLED_FLAG: Final = b"\x85\x01" + struct.pack("<I", _SAMPLED)
_SPAN_ID_NUMBER: Final = int.from_bytes(_SPAN_ID, "little")

_AROUND: Final = 18 + 10 + 10 + 18
"""How long ids and times of a span are that is a part of another: trace, span, parent, begin and end."""


def encoded(bunch: Bunch, ahead_ns: int) -> list[bytes]:
    """Return the bytes of a bunch in their order; what many have in common is the same object in all of them.

    Args:
        bunch: A span which has ended, or parts of one.
        ahead_ns: What has to be added to monotonic time to get Unix time, in nanoseconds.
    """
    span, parts, is_over = bunch
    pieces: list[bytes] = []
    trace = _TRACE_ID + bytes.fromhex(span.trace_id)
    if parts:
        _add_parts(pieces, trace + _PARENT_ID + span.span_id.to_bytes(8, "big"), parts, ahead_ns)
    if is_over:
        _add_span(pieces, trace, span, ahead_ns)
    return pieces


def enveloped(bunches: Iterable[list[bytes]], resource: Mapping[str, str]) -> bytes:
    """Return an `ExportTraceServiceRequest` of what was encoded; `resource` describes the process."""
    opening = ScopeSpans(scope=InstrumentationScope(name=SCOPE)).SerializeToString()
    scope = b"".join(chain((opening,), chain.from_iterable(bunches)))
    about = ResourceSpans(
        resource=Resource(attributes=[_attribute(name, value) for name, value in resource.items()])
    ).SerializeToString()
    whole = b"".join((about, _SCOPE_SPANS, _varint(len(scope)), scope))
    return b"".join((_RESOURCE_SPANS, _varint(len(whole)), whole))


def rejected_in(answer: bytes) -> int:
    """Return how many spans a collector says it did not take; 0 if what it says cannot be read."""
    try:
        refused: int = ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
    except DecodeError:
        return 0
    return refused


def _add_parts(pieces: list[bytes], within: bytes, parts: Sequence[Part], ahead_ns: int) -> None:
    # Nobody points to a statement, so it gets its id only now; those of one span count on from one by chance.
    for own_id, (text, system, began_ns, ended_ns, failure) in enumerate(parts, getrandbits(63) + 1):
        own = _PART.pack(
            _SPAN_ID_NUMBER,
            own_id,
            _STARTS,
            began_ns + ahead_ns,
            _ENDS,
            ended_ns + ahead_ns,
        )
        if failure is None:
            pieces += (_opening(text, system), within, own)
        else:
            told = _wire(described(text, system)) + _rest((), failure)
            pieces += (_SPANS, _varint(len(told) + _AROUND), told, within, own)


@lru_cache(PIECES_KEPT)
def _opening(text: str, system: str) -> bytes:
    """Return how every part begins that is this statement: its length, then all but its ids and times."""
    told = _wire(described(text, system))
    return _SPANS + _varint(len(told) + _AROUND) + told


def _add_span(pieces: list[bytes], trace: bytes, one: Span, ahead_ns: int) -> None:
    told = _wire(one.about)
    if one.own:
        told += _attributes(tuple(one.own.items()))
    if one.links or one.failure is not None:
        told += _rest(one.links or (), one.failure)
    within = trace + _PARENT_ID + one.parent_id.to_bytes(8, "big") if one.parent_id else trace
    own = _SPAN_ID + one.span_id.to_bytes(8, "big")
    times = _TIMES.pack(_STARTS, one.began_ns + ahead_ns, _ENDS, one.ended_ns + ahead_ns)
    length = len(told) + len(within) + len(own) + len(times)
    pieces += (_SPANS, _varint(length), told, within, own, times)


def _wire(about: About) -> bytes:
    if about.wire is None:
        about.wire = _name(about) + _attributes(tuple(about.attributes.items())) + _SAMPLED_FLAG
    return about.wire


@lru_cache(PIECES_KEPT)
def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= _VARINT_MORE:
        found.append(number & 0x7F | _VARINT_MORE)
        number >>= 7
    found.append(number)
    return bytes(found)


def _name(about: About) -> bytes:
    piece: bytes = WireSpan(name=about.name, kind=about.kind).SerializeToString()  # type: ignore[arg-type]  # a number
    return piece


@lru_cache(PIECES_KEPT)
def _attributes(found: tuple[tuple[str, Value], ...]) -> bytes:
    attributes = [_attribute(name, value) for name, value in found]
    piece: bytes = WireSpan(attributes=attributes).SerializeToString()
    return piece


def _rest(links: Sequence[Origin], failure: str | None) -> bytes:
    rare = WireSpan(links=[_link(other) for other in links])
    if failure is not None:
        rare.status.code = Status.STATUS_CODE_ERROR
        rare.attributes.append(_attribute("error.type", failure))
    piece: bytes = rare.SerializeToString()
    return piece


def _link(other: Origin) -> WireSpan.Link:
    return WireSpan.Link(
        trace_id=bytes.fromhex(other.trace_id), span_id=other.span_id.to_bytes(8, "big"), flags=_SAMPLED
    )


def _attribute(name: str, value: Value) -> KeyValue:
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    return KeyValue(key=name, value=AnyValue(string_value=value))
