"""The origin of a request: its hops, of which only a number is allowed, and the trace that it belongs to."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from millrace.api.errors import error_response
from millrace.domain.hops import HEADER, read_hops, set_hops
from millrace.domain.traces import HEADER as TRACEPARENT
from millrace.domain.traces import read_traceparent, set_traceparent

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADER, _TRACEPARENT = HEADER.encode(), TRACEPARENT.encode()


class Hops:
    """Middleware that makes everything caused by a request inherit its hops and trace, and refuses requests
    with more hops than the limit."""

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
        set_traceparent(read_traceparent(_header(scope, _TRACEPARENT)) if scope["type"] == "http" else "")
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, hops: int) -> ASGIApp:
        message = (
            f"The event has been delivered {hops:,} times in a row; {self._limit:,} are allowed. "
            "A pipeline feeds itself: break the circle, or raise the limit (MaxHops)."
        )
        return error_response(Request(scope), 409, "loop", message, hops=hops, limit=self._limit)


def hops_of(scope: Scope) -> int:
    """Return the hops in a request's header."""
    return read_hops(_header(scope, _HEADER))


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")
