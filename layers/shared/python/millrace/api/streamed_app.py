"""The app of a streamed function: plain Starlette over endpoint tables."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from starlette.applications import Starlette

from millrace.api.endpoint import Endpoint
from millrace.api.errors import HANDLERS


def streamed_app(endpoints: Iterable[Endpoint], close: Callable[[], Awaitable[None]]) -> Starlette:
    """The app that serves these endpoints with the product's errors; `close` is awaited at its shutdown."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await close()

    routes = [endpoint.route() for endpoint in endpoints]
    app = Starlette(routes=routes, exception_handlers=dict(HANDLERS), lifespan=lifespan)
    app.router.redirect_slashes = False
    return app
