"""Spans as OTLP has them on the wire: protobuf, by the classes that OpenTelemetry publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nerava.platform.tracing import Origin, Span
    from nerava.platform.tracing.spans import Attributes, Value

SCOPE: Final = "nerava"
_SAMPLED: Final = 1


def encoded(spans: Iterable[Span], resource: Mapping[str, str], *, ahead_ns: int) -> bytes:
    """Return an `ExportTraceServiceRequest`.

    Args:
        spans: Which have ended.
        resource: What is said about the process.
        ahead_ns: What has to be added to monotonic time to get Unix time, in nanoseconds.
    """
    scope = ScopeSpans(scope=InstrumentationScope(name=SCOPE), spans=[_span(one, ahead_ns) for one in spans])
    about = Resource(attributes=_attributes(resource))
    whole = ResourceSpans(resource=about, scope_spans=[scope])
    body: bytes = ExportTraceServiceRequest(resource_spans=[whole]).SerializeToString()
    return body


def rejected_in(answer: bytes) -> int:
    """Return how many spans a collector says it did not take; 0 if what it says cannot be read."""
    try:
        refused: int = ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
    except DecodeError:
        return 0
    return refused


def _span(one: Span, ahead_ns: int) -> WireSpan:
    attributes = _attributes(one.about) if one.about else []
    if one.own:
        attributes += _attributes(one.own)
    wire = WireSpan(
        trace_id=bytes.fromhex(one.trace_id),
        span_id=one.span_id.to_bytes(8, "big"),
        name=one.name,
        kind=one.kind,  # type: ignore[arg-type]  # a number
        start_time_unix_nano=one.began_ns + ahead_ns,
        end_time_unix_nano=one.ended_ns + ahead_ns,
        flags=_SAMPLED,
        attributes=attributes,
    )
    if one.parent_id:
        wire.parent_span_id = one.parent_id.to_bytes(8, "big")
    if one.links:
        wire.links.extend(_link(other) for other in one.links)
    if one.failure is not None:
        wire.status.code = Status.STATUS_CODE_ERROR
        wire.attributes.append(_attribute("error.type", one.failure))
    return wire


def _link(other: Origin) -> WireSpan.Link:
    return WireSpan.Link(
        trace_id=bytes.fromhex(other.trace_id), span_id=other.span_id.to_bytes(8, "big"), flags=_SAMPLED
    )


def _attributes(found: Attributes) -> list[KeyValue]:
    return [_attribute(name, value) for name, value in found.items()]


def _attribute(name: str, value: Value) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=name, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    return KeyValue(key=name, value=AnyValue(string_value=value))
