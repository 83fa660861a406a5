"""Conversion of a Lambda event to an ASGI scope."""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode

from streaming_runtime.asgi import Scope
from streaming_runtime.errors import BadRequestError, EventError
from streaming_runtime.sources import Event, Source, source_of

# Characters that a path may contain unescaped, and the percent sign of existing escapes.
PATH_SAFE = "/%:@!$&'()*+,;=-._~[]"
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def load_event(raw: bytes) -> tuple[Event, Source]:
    """Return the event and its source. Raises EventError if it is not an HTTP request."""
    try:
        event = json.loads(raw)
        return event, source_of(event)
    except MALFORMED as error:
        raise _malformed(error) from None


def http_request(event: Event) -> tuple[Scope, bytes]:
    """Return the scope and the body. Raises EventError, or BadRequestError if the body cannot be decoded."""
    try:
        scope = http_scope(event)
        text: str = event.get("body") or ""
        plain = text.encode("utf-8", "surrogatepass")
    except MALFORMED as error:
        raise _malformed(error) from None
    body = _decoded(plain) if event.get("isBase64Encoded") else plain
    scope["headers"] = _with_length(scope["headers"], len(body))
    return scope, body


def http_scope(event: Event) -> Scope:
    """Return the ASGI scope (spec 2.4), with the event itself as `scope["aws.event"]`.

    As ASGI requires, `path` begins with `root_path`.
    """
    context = event.get("requestContext", {})
    headers = headers_of(event)
    fields = dict(headers)
    if "http" in context:
        method, root, raw_path, query, client = _request_2_0(event, context)
    elif "elb" in context:
        method, root, raw_path, query, client = _request_of_load_balancer(event, fields)
    else:
        method, root, raw_path, query, client = _request_1_0(event, context)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method.upper(),
        # Load balancers also accept HTTP; everything else is HTTPS only.
        "scheme": "http" if fields.get(b"x-forwarded-proto") == b"http" else "https",
        "path": unquote(raw_path),
        "raw_path": quote(raw_path, safe=PATH_SAFE).encode("ascii"),
        "query_string": _encode(query),
        "root_path": unquote(root),
        "headers": headers,
        # Lambda does not provide the client's port.
        "client": (client, 0),
        "server": server_of(fields),
        "extensions": {},
        "aws.event": event,
    }


def _request_2_0(event: Event, context: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Return the method, root path, path, query and address of the client."""
    http = context["http"]
    path = event.get("rawPath") or "/"
    return (
        http["method"],
        _stage_in(path, context),
        path,
        event.get("rawQueryString") or "",
        http.get("sourceIp", ""),
    )


def _request_1_0(event: Event, context: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Return the same for format 1.0, which has decoded paths and parameters, and the stage only in the
    context's path."""
    path = quote(event.get("path") or "/")
    full = quote(context.get("path") or "")
    root = _root_before(path, full, context)
    path, root = root + path, root or _stage_in(path, context)
    query = urlencode(_parameters(event), doseq=True)
    return event["httpMethod"], root, path, query, context.get("identity", {}).get("sourceIp", "")


def _root_before(path: str, full: str, context: Mapping[str, Any]) -> str:
    """Return the part of the full path before the path, or the stage if the two are encoded differently."""
    if full.endswith(path):
        return full.removesuffix(path)
    stage = f"/{context.get('stage')}"
    return stage if f"{full}/".startswith(f"{stage}/") else ""


def _stage_in(path: str, context: Mapping[str, Any]) -> str:
    """Return the stage if the path begins with it, as at an API's own domain."""
    stage = f"/{context.get('stage')}"
    own_domain = ".execute-api." in (context.get("domainName") or "")
    return stage if own_domain and f"{path}/".startswith(f"{stage}/") else ""


def _request_of_load_balancer(event: Event, headers: Mapping[bytes, bytes]) -> tuple[str, str, str, str, str]:
    """Return the same for load balancers, which pass on path and query unchanged and append the client's
    address."""
    values = _parameters(event)
    pairs = ((name, value if isinstance(value, list) else [value]) for name, value in values.items())
    query = "&".join(f"{name}={value}" for name, each in pairs for value in each)
    client = headers.get(b"x-forwarded-for", b"").decode("latin-1").rsplit(",", 1)[-1].strip()
    return event["httpMethod"], "", event.get("path") or "/", query, client


def _parameters(event: Event) -> Mapping[str, Any]:
    return event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}


def headers_of(event: Event) -> list[tuple[bytes, bytes]]:
    """Return the headers: names in lower case, all values of repeated ones, cookies joined into one `cookie`
    header."""
    single, several = event.get("headers") or {}, event.get("multiValueHeaders") or {}
    fields = [(name.lower(), value) for name, value in single.items() if name not in several]
    fields += [(name.lower(), value) for name, values in several.items() for value in values]
    # Format 2.0 lists the cookies separately; a header in addition would repeat them.
    cookies = event.get("cookies") or [value for name, value in fields if name == "cookie"]
    fields = [field for field in fields if field[0] != "cookie"]
    if cookies:
        fields.append(("cookie", "; ".join(cookies)))
    return [(_encode(name), _encode(value)) for name, value in fields]


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    """Return the headers with the length of the body that the app gets, if they had one.

    Gateways re-encode bodies.
    """
    others = [field for field in headers if field[0] != b"content-length"]
    return headers if len(others) == len(headers) else [*others, (b"content-length", b"%d" % length)]


def server_of(headers: Mapping[bytes, bytes]) -> tuple[str, int]:
    """Return the host name and port that the client requested."""
    host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0]
    port = headers.get(b"x-forwarded-port", b"")
    # A client can forge the header, so it is used only if it is a valid port.
    return host or "localhost", int(port) if port.isdigit() and len(port) <= 5 else 443


def _decoded(body: bytes) -> bytes:
    try:
        return b64decode(body, validate=True)
    except ValueError as error:
        raise BadRequestError(f"the body is marked as base64, but it is not: {error}") from None


def _malformed(error: Exception) -> EventError:
    return EventError(f"{type(error).__name__}: {error}")


def _encode(text: str) -> bytes:
    """Return the bytes of a header or query: HTTP's Latin-1, or UTF-8 if the text needs it."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
