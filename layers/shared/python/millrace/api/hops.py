"""Requests that have gone round too often are refused."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from millrace.api.errors import error_response
from millrace.domain.hops import HEADER, read_hops, set_hops

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADER = HEADER.encode()


class Hops:
    """Middleware: what a request causes carries its hops on; one beyond the limit causes nothing."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        hops = hops_of(scope) if scope["type"] == "http" else 0
        if hops > self._limit and scope["method"] not in _READS:
            await self._refusal(scope, hops)(scope, receive, send)
            return
        set_hops(hops)
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, hops: int) -> ASGIApp:
        message = (
            f"The event has been delivered {hops:,} times in a row; {self._limit:,} are allowed. "
            "A pipeline feeds itself: break the circle, or raise the limit (MaxHops)."
        )
        return error_response(Request(scope), 409, "loop", message, hops=hops, limit=self._limit)


def hops_of(scope: Scope) -> int:
    """The hops that a request's header tells."""
    for name, value in scope["headers"]:
        if name == _HEADER:
            return read_hops(value.decode("latin-1"))
    return 0
