"""An OTLP server on 127.0.0.1 that parses the protobuf of real exporters and refuses what real servers
refuse.

    with collecting() as collector:
        collector.url                  # the base URL of all signals, for exporters
        collector.spans                # all accepted spans, in order
        collector.answers.append(...)  # answers to the next requests instead

Sources: opentelemetry.io/docs/specs/otlp, and the limits of X-Ray's OTLP endpoint.
"""

import gzip
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.serving import served

MOST_BYTES = 5_000_000
DAY_NS = 24 * 3_600 * 10**9


@dataclass
class Collector:
    """The accepted requests with their headers.

    Requests with a span for which `spoils` is true are refused.
    """

    url: str = ""
    requests: list[tuple[dict[str, str], list[Span]]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    answers: deque[Response] = field(default_factory=deque)
    spoils: Callable[[Span], bool] = lambda span: False
    asked: int = 0

    @property
    def spans(self) -> list[Span]:
        return [span for _, spans in self.requests for span in spans]

    def named(self, name: str) -> Span:
        """Return the only span with this name."""
        [found] = [span for span in self.spans if span.name == name]
        return found

    def answer(self, headers: dict[str, str], body: bytes) -> Response:
        self.asked += 1
        if self.answers:
            return self.answers.popleft()
        if headers.get("content-type") != "application/x-protobuf":
            return Response("only protobuf", 415)
        raw = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        if len(raw) > MOST_BYTES:
            return Response("too large", 413)
        request = ExportTraceServiceRequest.FromString(raw)
        [of_resource] = request.resource_spans
        spans = [span for scope in of_resource.scope_spans for span in scope.spans]
        if problem := next((found for span in spans if (found := self._problem(span))), ""):
            return Response(problem, 400)
        starts = [span.start_time_unix_nano for span in spans]
        if max(starts) - min(starts) > DAY_NS:
            return Response("spans are more than a day apart", 400)
        self.requests.append((headers, spans))
        self.resources.append({one.key: value_of(one.value) for one in of_resource.resource.attributes})
        return Response(ExportTraceServiceResponse().SerializeToString(), 200)

    def _problem(self, span: Span) -> str:
        if len(span.trace_id) != 16 or len(span.span_id) != 8 or len(span.parent_span_id) not in (0, 8):
            return "ids have wrong lengths"
        if not span.name or not 0 < span.start_time_unix_nano <= span.end_time_unix_nano:
            return "no name, or an end before the start"
        if span.ByteSize() > 200_000:
            return "a span is larger than 200 KB"
        return "it is spoiled" if self.spoils(span) else ""


def attributes_of(span: Span) -> dict[str, Any]:
    """Return the attributes of a span as Python values."""
    return {one.key: value_of(one.value) for one in span.attributes}


def value_of(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(one) for one in value.array_value.values]
    return getattr(value, kind or "string_value")


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector until the block ends."""
    collector = Collector()

    async def receive(request: Request) -> Response:
        return collector.answer(dict(request.headers), await request.body())

    app = Starlette(routes=[Route("/otel/v1/traces", receive, methods=["POST"])])
    with served(app) as url:
        collector.url = f"{url}/otel"
        yield collector
