"""Spans as OTLP has them on the wire: protobuf, by the classes that OpenTelemetry publishes.

Making a message of theirs for every span was most of what tracing cost. A message may be sent in pieces,
one after the other, so the pieces that are the same in many spans are made once and kept, and of the
rest, which has a fixed length, one call of `struct` makes the bytes.
"""

from __future__ import annotations

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

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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

_FIXED: Final = struct.Struct("<2s16s2s8scQcQ2sI")
"""Of `Span`: 1 trace_id, 2 span_id, 7 start, 8 end, 16 flags, each after its number."""

_PARENT: Final = b"\x22\x08"
"""Field 4 of `Span` and its length."""


def encoded(spans: Iterable[Span], resource: Mapping[str, str], *, ahead_ns: int) -> bytes:
    """Return an `ExportTraceServiceRequest`.

    Args:
        spans: Which have ended.
        resource: What is said about the process.
        ahead_ns: What has to be added to monotonic time to get Unix time, in nanoseconds.
    """
    pieces = [ScopeSpans(scope=InstrumentationScope(name=SCOPE)).SerializeToString()]
    for one in spans:
        span = _span(one, ahead_ns)
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


def _span(one: Span, ahead_ns: int) -> bytes:
    fixed = _FIXED.pack(
        b"\x0a\x10",
        bytes.fromhex(one.trace_id),
        b"\x12\x08",
        one.span_id.to_bytes(8, "big"),
        b"\x39",
        one.began_ns + ahead_ns,
        b"\x41",
        one.ended_ns + ahead_ns,
        b"\x85\x01",
        _SAMPLED,
    )
    about = one.about
    if about.wire is None:
        about.wire = _attributes(tuple(about.attributes.items()))
    pieces = [fixed, _name(one.name, one.kind), about.wire]
    if one.parent_id:
        pieces += (_PARENT, one.parent_id.to_bytes(8, "big"))
    if one.own:
        pieces.append(_attributes(tuple(one.own.items())))
    if one.links or one.failure is not None:
        pieces.append(_rest(one))
    return b"".join(pieces)


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


def _rest(one: Span) -> bytes:
    rare = WireSpan(links=[_link(other) for other in one.links or ()])
    if one.failure is not None:
        rare.status.code = Status.STATUS_CODE_ERROR
        rare.attributes.append(_attribute("error.type", one.failure))
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
