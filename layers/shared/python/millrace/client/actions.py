"""The few things that the client cannot do without I/O.

Everything else is written once, as generators that yield these and are sent back what came of them (as httpx
does it for authentication). `blocking` and `asynchronous` carry them out; an `httpx.HTTPError` on the way is
thrown into the generator.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Authorize:
    """Get the token for a request: another one than `rejected`, if that is given. Gives `str | None`."""

    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request. Gives the `httpx.Response`: read, or with `stream` only its headers. A connection that
    streamed before is closed."""

    request: httpx.Request
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Receive:
    """Get the next bytes of the response that streams. Gives `bytes`, empty at its end."""


@dataclass(frozen=True, slots=True)
class ReadAll:
    """Read the rest of the response that streams into it, and close the connection. Gives None."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so many seconds. Gives None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand over what has come, and go on when the caller asks for more. Gives None."""

    items: list[Any]


Action = Authorize | Send | Receive | ReadAll | Pause | Deliver
Steps = Generator[Action, Any, T]
