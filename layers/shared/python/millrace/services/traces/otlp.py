"""Spans as OTLP requests in protobuf."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from millrace import __version__
from millrace.domain.portions import portions
from millrace.services.traces.spans import Attributes, Span

SCHEMA = "https://opentelemetry.io/schemas/1.41.0"
REQUEST_BYTES = 1_000_000
"""The maximum size of a request's spans. X-Ray accepts 5 MB; other servers have their own limits."""
DAY_MS = 24 * 3_600_000
"""Spans of one request began on the same day, because X-Ray rejects those that are further apart."""
MESSAGE = "application/x-protobuf"
_NS = 1_000_000


def requests(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Yield distinct spans in portions for requests."""
    once = {(span.trace_id, span.id): span for span in spans}
    for _, of_one_day in groupby(sorted(once.values(), key=_days), key=_days):
        yield from portions(of_one_day, lambda span: to_message(span).ByteSize(), REQUEST_BYTES)


def _days(span: Span) -> tuple[int, int]:
    return span.start // DAY_MS, span.end // DAY_MS


def encoded(spans: Iterable[Span], service: str) -> bytes:
    """Return an `ExportTraceServiceRequest`; `service` names the stack."""
    resource = {"service.name": "millrace", "service.version": __version__, "service.namespace": service}
    request = ExportTraceServiceRequest(
        resource_spans=[
            trace_pb2.ResourceSpans(
                resource=Resource(attributes=_attributes({k: v for k, v in resource.items() if v})),
                scope_spans=[
                    trace_pb2.ScopeSpans(
                        scope=InstrumentationScope(name="millrace", version=__version__),
                        spans=[to_message(span) for span in spans],
                        schema_url=SCHEMA,
                    )
                ],
                schema_url=SCHEMA,
            )
        ]
    )
    return bytes(request.SerializeToString())


def rejection(body: bytes) -> str:
    """Return a server's message about spans rejected with status 200, or "" if it accepted all.

    Never raises, because answers of servers may be anything.
    """
    try:
        said = ExportTraceServiceResponse.FromString(body).partial_success
    except Exception:
        return ""
    return f"{said.rejected_spans} spans: {said.error_message}" if said.rejected_spans else ""


def to_message(span: Span) -> trace_pb2.Span:
    """Return an OTLP span."""
    status = trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR, message=span.error)
    failed = {"error.type": span.error} if span.error else {}
    return trace_pb2.Span(
        trace_id=span.trace_id,
        span_id=span.id,
        parent_span_id=span.parent,
        flags=1,  # sampled
        name=span.name,
        kind=trace_pb2.Span.SPAN_KIND_CLIENT if span.client else trace_pb2.Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=span.start * _NS,
        end_time_unix_nano=max(span.start, span.end) * _NS,
        attributes=_attributes(span.attributes | failed),
        status=status if span.error else None,
    )


def _attributes(values: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: str | int | float | bool | list[str]) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_value(one) for one in value]))
    return AnyValue(string_value=value)
