"""Spans as OTLP has them on the wire: protobuf, by the classes that OpenTelemetry publishes.

Making a message of theirs for every span was most of what tracing cost. A message may be sent in pieces,
one after the other, so the pieces that are the same in many spans are made once and kept, and of the
rest, which has a fixed length, one call of `struct` makes the bytes.
"""

from __future__ import annotations

import random
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from nerava.platform.tracing import Leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nerava.platform.tracing import Origin, Span
    from nerava.platform.tracing.spans import Value

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

_ROOT: Final = struct.Struct("<2s16s2s8scQcQ2sI")
"""Of `Span`: 1 trace_id, 2 span_id, 7 start, 8 end, 16 flags, each after its number."""

_PART: Final = struct.Struct("<2s16s2s8scQcQ2sI2s8s")
"""The same, and 4 parent_span_id."""


def encoded(spans: Iterable[Span | Leaf], resource: Mapping[str, str], *, ahead_ns: int) -> bytes:
    """Return an `ExportTraceServiceRequest`.

    Args:
        spans: Which have ended.
        resource: What is said about the process.
        ahead_ns: What has to be added to monotonic time to get Unix time, in nanoseconds.
    """
    pieces = [ScopeSpans(scope=InstrumentationScope(name=SCOPE)).SerializeToString()]
    for one in spans:
        span = _leaf(one, ahead_ns) if isinstance(one, Leaf) else _span(one, ahead_ns)
        pieces += (_SPANS, _varint(len(span)), span)
    scope = b"".join(pieces)
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


def _leaf(one: Leaf, ahead_ns: int) -> bytes:
    about, trace_id, parent_id, began_ns, ended_ns, failure = one
    wire = about.wire
    if wire is None:
        wire = about.wire = _name(about.name, about.kind) + _attributes(tuple(about.attributes.items()))
    # Nobody points to a leaf, so it gets its id only now.
    span_id = random.getrandbits(64) or 1
    found = _fixed(trace_id, span_id, parent_id, began_ns + ahead_ns, ended_ns + ahead_ns) + wire
    return found if failure is None else found + _rest((), failure)


def _span(one: Span, ahead_ns: int) -> bytes:
    began_ns, ended_ns = one.began_ns + ahead_ns, one.ended_ns + ahead_ns
    found = _fixed(one.trace_id, one.span_id, one.parent_id, began_ns, ended_ns) + _name(one.name, one.kind)
    if one.own:
        found += _attributes(tuple(one.own.items()))
    if one.links or one.failure is not None:
        found += _rest(one.links or (), one.failure)
    return found


def _fixed(trace_id: str, span_id: int, parent_id: int, began_ns: int, ended_ns: int) -> bytes:
    known = (b"\x0a\x10", bytes.fromhex(trace_id), b"\x12\x08", span_id.to_bytes(8, "big"))
    times = (b"\x39", began_ns, b"\x41", ended_ns, b"\x85\x01", _SAMPLED)
    if not parent_id:
        return _ROOT.pack(*known, *times)
    return _PART.pack(*known, *times, b"\x22\x08", parent_id.to_bytes(8, "big"))


@lru_cache(PIECES_KEPT)
def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= _VARINT_MORE:
        found.append(number & 0x7F | _VARINT_MORE)
        number >>= 7
    found.append(number)
    return bytes(found)


@lru_cache(PIECES_KEPT)
def _name(name: str, kind: int) -> bytes:
    piece: bytes = WireSpan(name=name, kind=kind).SerializeToString()  # type: ignore[arg-type]  # a number
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
