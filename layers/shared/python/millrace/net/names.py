"""Resolves names to addresses."""

import asyncio
import socket


async def resolve_name(host: str, port: int) -> list[str]:
    """Return all addresses of a name. Raises `OSError` if it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # Python first encodes names by IDNA, and raises this for a label that is empty or longer than 63
    # characters.
    except UnicodeError as error:
        raise OSError(f"{host!r} is not a valid name.") from error
    return [str(entry[4][0]) for entry in found]
