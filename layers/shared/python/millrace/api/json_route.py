"""FastAPI routes whose bodies are read as all others: by `millrace.domain.json_reader`, gzip allowed.

FastAPI itself would read them with the standard library, which takes NaN, doubled keys and anything after it.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from millrace.domain.json_reader import LINES, inflate, media_type, read_documents
from millrace.errors import UnsupportedMedia

MAX_BODY = 6 * 1024 * 1024
"""The largest body that Lambda hands over; also the most that a compressed one may become."""
TAKES_LINES = {"requestBody": {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}
"""For `openapi_extra` of a route that takes a list also as JSON lines."""
_READ = frozenset({"POST", "PUT", "PATCH"})
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRoute(APIRoute):
    """A route that takes JSON, and JSON lines where its `openapi_extra` says so."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            return await handle(await self._read(request) if request.method in _READ else request)

        return handler

    async def _read(self, request: Request) -> Request:
        """The request with its body as a value. Raises as `inflate` and `read_documents`."""
        body = await request.body()
        if not body:
            return request
        headers = request.headers
        if media_type(headers.get("content-type", "")) in LINES and self.openapi_extra != TAKES_LINES:
            raise UnsupportedMedia("Send JSON, with Content-Type: application/json.")
        body = inflate(body, headers.get("content-encoding", ""), MAX_BODY)
        value = read_documents(body, headers.get("content-type", ""))
        return _with_value(request, body, value)


def _with_value(request: Request, body: bytes, value: Any) -> Request:
    kept = [(name, each) for name, each in request.scope["headers"] if name.lower() != b"content-type"]
    request.scope["headers"] = [*kept, (b"content-type", b"application/json")]
    fresh = Request(request.scope, request.receive)
    fresh._body, fresh._json = body, value  # where Starlette keeps them once they are read
    return fresh
