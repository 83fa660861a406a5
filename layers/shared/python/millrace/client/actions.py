"""The actions for which the client needs I/O.

Everything else is written once, as generators that yield these actions and are sent their results (like
authentication in httpx). `blocking` and `asynchronous` execute them; an `httpx.HTTPError` is thrown into the
generator.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Authorize:
    """Get the token for a request: another one than `rejected`, if that is given. Returns `str | None`."""

    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request. Returns the `httpx.Response`: read, or with `stream` only its headers. An earlier
    streaming connection is closed."""

    request: httpx.Request
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Receive:
    """Get the next bytes of the streaming response. Returns `bytes`, empty at its end."""


@dataclass(frozen=True, slots=True)
class ReadAll:
    """Read the rest of the streaming response, and close the connection. Returns None."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for this many seconds. Returns None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Deliver:
    """Deliver items, and continue when the caller asks for more. Returns None."""

    items: list[Any]


Action = Authorize | Send | Receive | ReadAll | Pause | Deliver
Steps = Generator[Action, Any, T]
