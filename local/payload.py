"""Function URL payloads, format 2.0: requests to events, and results or preludes to HTTP responses.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

import base64
import binascii
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

PRELUDE_END = b"\0" * 8
PRELUDE_LIMIT = 64 * 1024
EVENT_LIMIT = 6 * 1024 * 1024
_ANONYMOUS = "anonymous"
_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")
_TEXT_ENDINGS = ("+json", "+xml")
_HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}

Headers = list[tuple[str, str]]


class MalformedResponse(ValueError):
    """The function's result is not an HTTP response. The message has the location."""


@dataclass(frozen=True)
class Request:
    """An HTTP request. `path` and `query` are undecoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    source_ip: str
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True)
class Head:
    """Status and headers of a response, including cookies."""

    status: int
    headers: Headers


def build_event(request: Request, host: str) -> bytes:
    """Return the event as JSON. `host` is the function URL's name in AWS's domain."""
    binary = _is_binary(request)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": _joined(request.headers),
        "requestContext": _context(request, host),
        "isBase64Encoded": binary,
    }
    if cookies := [cookie.strip() for cookie in request.header("cookie").split(";") if cookie.strip()]:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = _parameters(request.query)
    if request.body:
        event["body"] = base64.b64encode(request.body).decode() if binary else request.body.decode()
    return json.dumps(event, separators=(",", ":")).encode()


def parse_prelude(prelude: bytes) -> Head:
    """Parse the prelude, which ends before the eight NUL bytes. Raises `MalformedResponse`."""
    try:
        result_object = json.loads(prelude)
    except ValueError as error:
        raise MalformedResponse(f"The prelude is not JSON: {prelude[:200]!r}") from error
    if not isinstance(result_object, dict):
        raise MalformedResponse("The prelude is not a JSON object.")
    return _head(result_object)


def parse_result(result: bytes) -> tuple[Head, bytes]:
    """Parse a buffered result by Lambda's rules of inference. Raises `MalformedResponse`.

    An object with `statusCode` is a response; anything else is the JSON body of a 200.
    """
    try:
        result_object = json.loads(result)
    except ValueError as error:
        raise MalformedResponse(f"The result is not JSON: {result[:200]!r}") from error
    if not isinstance(result_object, dict) or "statusCode" not in result_object:
        return Head(200, [("content-type", "application/json")]), _inferred_body(result_object, result)
    return _head(result_object), _body(result_object)


def _is_binary(request: Request) -> bool:
    kind = request.header("content-type").split(";")[0].strip().lower()
    textual = not kind or kind.startswith(_TEXT_TYPES) or kind.endswith(_TEXT_ENDINGS)
    if not textual or request.header("content-encoding"):
        return True
    try:
        request.body.decode()
    except UnicodeDecodeError:
        return True
    return False


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        # Format 2.0 has cookies in a separate list, `cookies`.
        if name not in _HOP_BY_HOP and name != "cookie":
            joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _parameters(query: str) -> dict[str, str]:
    """Return the parameters decoded like AWS does, with repeated names joined by commas."""
    return _joined(parse_qsl(query, keep_blank_values=True))


def _context(request: Request, host: str) -> dict[str, Any]:
    now = time.time()
    return {
        "accountId": _ANONYMOUS,
        "apiId": host.split(".")[0],
        "domainName": host,
        "domainPrefix": host.split(".")[0],
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent"),
        },
        "requestId": str(uuid4()),
        "routeKey": "$default",
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }


def _head(result_object: Mapping[str, Any]) -> Head:
    try:
        status = int(result_object.get("statusCode", 200))
        headers = [
            (str(name).lower(), _text(value)) for name, value in (result_object.get("headers") or {}).items()
        ]
        cookies = [("set-cookie", str(cookie)) for cookie in result_object.get("cookies") or ()]
    except (TypeError, ValueError, AttributeError) as error:
        raise MalformedResponse(f"statusCode, headers or cookies are malformed: {error}") from error
    if not 200 <= status <= 599:
        raise MalformedResponse(f"statusCode {status} is not an HTTP status.")
    return Head(status, [*_sendable(headers), *_sendable(cookies)])


def _sendable(headers: Headers) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if any(character in name + value for character in "\r\n\0"):
            raise MalformedResponse(f"The header {name!r} contains a line break.")
        if name not in _HOP_BY_HOP and name != "content-length":
            yield name, value


def _text(value: object) -> str:
    if isinstance(value, dict | list):
        raise TypeError(f"a header's value is text, not {type(value).__name__}")
    return "" if value is None else str(value)


def _body(result_object: Mapping[str, Any]) -> bytes:
    body = result_object.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponse(f"body must be text, not {type(body).__name__}.")
    if not result_object.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedResponse("body is not base64, though isBase64Encoded is true.") from error


def _inferred_body(result_object: object, result: bytes) -> bytes:
    return result_object.encode() if isinstance(result_object, str) else result
