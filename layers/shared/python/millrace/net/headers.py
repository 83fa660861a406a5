"""Checks headers that users may add to the requests that we send."""

import re

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-millrace-hops",
    }
)
"""They belong to the connection or to the body as we send it; other values could be used for request
smuggling."""


def header_problem(name: str, value: str) -> str | None:
    """Return the problem with a header, in words; None if it is valid."""
    if not _NAME.fullmatch(name):
        return f"{name!r} is not the name of a header."
    if name.lower() in _OURS:
        return f"The header {name!r} cannot be set: it is part of the connection."
    if not (value.isascii() and value.isprintable()):
        return f"The header {name!r} must be printable ASCII on one line."
    return None
