"""The certificates that servers are checked against."""

import ssl
from functools import cache


@cache
def trusting(authorities: str) -> ssl.SSLContext:
    """Return the context that trusts the authorities in a file, for HTTP/1.1. Cached, as reading their
    certificates takes some 15 ms."""
    context = ssl.create_default_context(cafile=authorities)
    context.set_alpn_protocols(["http/1.1"])
    return context


def public_authorities() -> str:
    """Return the file of the authorities that browsers trust."""
    import certifi  # finds its file by a part of Python that inits do not need

    return certifi.where()
