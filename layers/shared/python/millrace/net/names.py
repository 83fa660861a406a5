"""Resolves names to addresses."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

THREADS = 64
"""More than a process resolves at the same time. A name server that does not answer occupies a thread for ten
seconds or more, and the names of other organizations must not wait for it."""


async def resolve_name(host: str, port: int) -> list[str]:
    """Return all addresses of a name. Raises `OSError` if it has none."""
    try:
        found = await asyncio.wrap_future(_pool().submit(_look_up, host, port))
    # Python first encodes names by IDNA, and raises this for a label that is empty or longer than 63
    # characters.
    except UnicodeError as error:
        raise OSError(f"{host!r} is not a valid name.") from error
    return [str(entry[4][0]) for entry in found]


def _look_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="millrace-names")
