"""CORS as a function URL answers it from its own configuration, before and around the function.

https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors
"""

from local.deploy import Cors
from local.payload import Head, Headers, Request

_PREFIX = "access-control-"


def is_preflight(request: Request) -> bool:
    return request.method == "OPTIONS" and bool(request.header("access-control-request-method"))


def preflight(cors: Cors, request: Request) -> Head:
    """Return the answer to a preflight, which never reaches the function.

    Other origins get no CORS headers.
    """
    headers = _origin_headers(cors, request)
    if headers and _wanted(cors, request):
        headers += [
            ("access-control-allow-methods", ",".join(cors.allow_methods)),
            ("access-control-allow-headers", _allowed_headers(cors, request)),
            ("access-control-max-age", str(cors.max_age)),
        ]
        return Head(200, [(name, value) for name, value in headers if value])
    return Head(200, [])


def with_cors(head: Head, cors: Cors, request: Request) -> Head:
    """Return the function's response with the URL's CORS headers, which replace the function's own."""
    own = [(name, value) for name, value in head.headers if not name.startswith(_PREFIX)]
    added = _origin_headers(cors, request)
    if added and cors.expose_headers:
        added.append(("access-control-expose-headers", ",".join(cors.expose_headers)))
    return Head(head.status, own + added)


def _origin_headers(cors: Cors, request: Request) -> Headers:
    """Return no headers for an origin that is not allowed.

    With credentials, a wildcard must name the origin.
    """
    origin = request.header("origin")
    anyone = "*" in cors.allow_origins
    if not origin or not (anyone or origin in cors.allow_origins):
        return []
    if anyone and not cors.allow_credentials:
        return [("access-control-allow-origin", "*")]
    headers = [("access-control-allow-origin", origin), ("vary", "Origin")]
    if cors.allow_credentials:
        headers.append(("access-control-allow-credentials", "true"))
    return headers


def _wanted(cors: Cors, request: Request) -> bool:
    method = request.header("access-control-request-method")
    return "*" in cors.allow_methods or method in cors.allow_methods


def _allowed_headers(cors: Cors, request: Request) -> str:
    """Return the allowed headers.

    Browsers exclude `authorization` from a wildcard, so the requested ones are named.
    """
    if "*" in cors.allow_headers:
        return request.header("access-control-request-headers")
    return ",".join(cors.allow_headers)
