"""The app of a streamed function: plain Starlette over endpoint tables."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from starlette.applications import Starlette

from millrace.api.api_events import ApiEvents
from millrace.api.endpoint import Endpoint
from millrace.api.errors import HANDLERS
from millrace.api.hops import Hops
from millrace.stores.connect import Stores


def streamed_app(
    endpoints: Iterable[Endpoint],
    stores: Stores,
    close: Callable[[], Awaitable[None]],
    hop_limit: int,
) -> Starlette:
    """The app that serves these endpoints with the product's errors, and tells the bus of each call; `close`
    is awaited at its shutdown."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await close()

    routes = [endpoint.route() for endpoint in endpoints]
    app = Starlette(routes=routes, exception_handlers=dict(HANDLERS), lifespan=lifespan)
    app.router.redirect_slashes = False
    app.add_middleware(Hops, limit=hop_limit)
    app.add_middleware(ApiEvents, bus=stores.bus, clock=stores.clock)
    return app
