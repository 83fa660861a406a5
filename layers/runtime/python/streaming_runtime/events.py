"""From a Lambda event to an ASGI scope.

Function URLs and HTTP APIs send payload format 2.0, REST APIs format 1.0:
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html and
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode

from streaming_runtime.asgi import Scope
from streaming_runtime.errors import EventError

Event = Mapping[str, Any]
# Everything that may stand in a path as it is, and the escapes that are there already.
PATH_SAFE = "/%:@!$&'()*+,;=-._~[]"


def parse_event(raw: bytes) -> tuple[Scope, bytes]:
    """The scope and the body of an event; raises EventError when it is not an HTTP request."""
    try:
        event = json.loads(raw)
        return http_scope(event), body_of(event)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise EventError(
            "this function answers HTTP requests of a function URL or an API Gateway; "
            f"the event is not one: {type(error).__name__}: {error}"
        ) from None


def http_scope(event: Event) -> Scope:
    """The ASGI scope (spec 2.4) of a 2.0 or 1.0 event; the event itself is `scope["aws.event"]`."""
    method, raw_path, query, client = _request_v1(event) if "httpMethod" in event else _request_v2(event)
    headers = headers_of(event)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method.upper(),
        "scheme": "https",
        "path": unquote(raw_path),
        "raw_path": quote(raw_path, safe=PATH_SAFE).encode("ascii"),
        "query_string": _encode(query),
        "root_path": "",
        "headers": headers,
        # Lambda does not give the client's port.
        "client": (client, 0),
        "server": server_of(dict(headers)),
        "extensions": {},
        "aws.event": event,
    }


def _request_v2(event: Event) -> tuple[str, str, str, str]:
    http = event["requestContext"]["http"]
    return (
        http["method"],
        event.get("rawPath") or "/",
        event.get("rawQueryString") or "",
        http.get("sourceIp", ""),
    )


def _request_v1(event: Event) -> tuple[str, str, str, str]:
    """Format 1.0 holds the path and the parameters decoded."""
    query = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    identity = event.get("requestContext", {}).get("identity", {})
    path = quote(event.get("path") or "/")
    return event["httpMethod"], path, urlencode(query, doseq=True), identity.get("sourceIp", "")


def headers_of(event: Event) -> list[tuple[bytes, bytes]]:
    """Names in lower case, every value of a repeated one, cookies joined into one `cookie` header."""
    single, several = event.get("headers") or {}, event.get("multiValueHeaders") or {}
    fields = [(name, value) for name, value in single.items() if name not in several]
    fields += [(name, value) for name, values in several.items() for value in values]
    if cookies := event.get("cookies"):
        # Format 2.0 lists the cookies apart; a header beside the list would repeat them.
        fields = [field for field in fields if field[0].lower() != "cookie"] + [
            ("cookie", "; ".join(cookies))
        ]
    return [(_encode(name.lower()), _encode(value)) for name, value in fields]


def server_of(headers: Mapping[bytes, bytes]) -> tuple[str, int]:
    """Name and port that the client asked for."""
    host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0]
    port = headers.get(b"x-forwarded-port", b"")
    # A client can forge the header, so it counts only where it can be a port.
    return host or "localhost", int(port) if port.isdigit() and len(port) <= 5 else 443


def body_of(event: Event) -> bytes:
    """The request's body as the client sent it; raises ValueError for broken base64."""
    body: str = event.get("body") or ""
    return (
        b64decode(body, validate=True)
        if event.get("isBase64Encoded")
        else body.encode("utf-8", "surrogatepass")
    )


def _encode(text: str) -> bytes:
    """Bytes of a header or query: HTTP's Latin-1, or UTF-8 where the text is beyond it."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
