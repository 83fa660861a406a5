"""Sources of HTTP events, recognized by shape and version, and the form of response that each accepts.

Below https://docs.aws.amazon.com: lambda/latest/dg/urls-invocation.html,
apigateway/latest/developerguide/http-api-develop-integrations-lambda.html,
apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html (REST; streamed:
response-transfer-mode-lambda.html), elasticloadbalancing/latest/application/lambda-functions.html.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from streaming_runtime.errors import EventError, SetupError

Event = Mapping[str, Any]
Mode = Literal["stream", "buffered", "auto"]
MODE = "STREAMING_RUNTIME_MODE"
MODES: tuple[Mode, ...] = ("stream", "buffered", "auto")


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of HTTP event. `limit` is the maximum size of a buffered response as JSON, in bytes."""

    name: str
    streams: bool
    # The response lists every value of a header. Otherwise the values are joined.
    multi_value: bool = False
    # The response lists cookies separately from the headers.
    cookies: bool = False
    # The response has the status with its reason phrase.
    description: bool = False
    limit: int = 6_291_556


FUNCTION_URL = Source("a function URL", streams=True, cookies=True)
HTTP_API = Source("an HTTP API", streams=False, cookies=True)
HTTP_API_1_0 = Source("an HTTP API (payload format 1.0)", streams=False, multi_value=True)
REST_API = Source("a REST API", streams=True, multi_value=True)
LOAD_BALANCER = Source("a load balancer", streams=False, description=True, limit=1_048_576)
LOAD_BALANCER_MULTI_VALUE = Source(
    "a load balancer", streams=False, multi_value=True, description=True, limit=1_048_576
)


def source_of(event: Event) -> Source:
    """Return the source of an event.

    Raises EventError if it is not HTTP; the error names the source if it is known.
    """
    context = event.get("requestContext", {})
    if "http" in context:
        return _format_2_0(event.get("version", "2.0"), context.get("domainName") or "")
    if "elb" in context:
        return LOAD_BALANCER_MULTI_VALUE if "multiValueHeaders" in event else LOAD_BALANCER
    if "connectionId" in context:
        raise EventError("it is a message of a WebSocket API")
    if "httpMethod" in event:
        return HTTP_API_1_0 if event.get("version") == "1.0" else REST_API
    raise EventError(_other(event))


def _format_2_0(version: str, domain: str) -> Source:
    if version != "2.0":
        raise EventError(f"its payload format {version!r} is not known, 2.0 and 1.0 are")
    # A function URL cannot have a custom domain; events written by hand often have none at all.
    return FUNCTION_URL if not domain or ".lambda-url." in domain else HTTP_API


def _other(event: Event) -> str:
    records = event.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], dict):
        source = records[0].get("eventSource") or records[0].get("EventSource")
        return f"it holds records of {source}, which need a function with an ordinary handler"
    return "it has neither `requestContext.http` nor `httpMethod`, as in a direct invoke"


def response_mode() -> Mode:
    """Return the response mode from the environment. Raises SetupError."""
    text = os.environ.get(MODE, "stream")
    for mode in MODES:
        if mode == text:
            return mode
    raise SetupError("Runtime.InvalidConfiguration", f"{MODE} must be stream, buffered or auto, not {text!r}")


def is_streamed(source: Source, mode: Mode) -> bool:
    """Return whether to stream the response. Raises EventError if the source cannot accept a stream."""
    if mode == "stream" and not source.streams:
        raise EventError(
            f"it comes from {source.name}, which takes whole responses only: set {MODE}=buffered on this "
            "function (or auto, where it has a streamed URL as well), or call it through a function URL with "
            "InvokeMode RESPONSE_STREAM"
        )
    return mode != "buffered" and source.streams
