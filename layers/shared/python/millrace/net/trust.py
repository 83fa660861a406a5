"""The certificates that servers are checked against."""

import ssl
from functools import cache


@cache
def trusting(authorities: str) -> ssl.SSLContext:
    """The context that trusts the authorities in a file, for HTTP/1.1. Reading their certificates takes some
    15 ms: once per process, whoever asks."""
    context = ssl.create_default_context(cafile=authorities)
    context.set_alpn_protocols(["http/1.1"])
    return context


def public_authorities() -> str:
    """The file of the authorities that browsers trust."""
    import certifi  # which finds its file by a part of Python that no init needs

    return certifi.where()
