"""The app of a function without FastAPI: plain Starlette over endpoint tables."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Lifespan

from millrace.api.api_events import ApiEvents
from millrace.api.auth import Auth
from millrace.api.endpoint import Endpoint
from millrace.api.errors import HANDLERS
from millrace.api.hops import Hops
from millrace.api.key_uses import KeyUses
from millrace.domain.access import Principal
from millrace.stores.connect import Stores


def streamed_app(
    endpoints: Iterable[Endpoint],
    auth: Auth,
    stores: Stores,
    close: Callable[[], Awaitable[None]],
    hop_limit: int,
) -> Starlette:
    """Create the app that serves these endpoints to callers that `auth` knows, with Millrace's errors, and
    publishes each call to the bus. `close` is awaited at shutdown."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await close()

    app = _app(endpoints, auth, hop_limit, lifespan)
    app.add_middleware(KeyUses, keys=stores.api_keys)
    app.add_middleware(ApiEvents, bus=stores.bus, clock=stores.clock)
    return app


def public_app(endpoints: Iterable[Endpoint], hop_limit: int) -> Starlette:
    """Create an app for endpoints without a token. Raises `ValueError` if one needs a token."""
    served = list(endpoints)
    if guarded := [endpoint.path for endpoint in served if endpoint.credential != "none"]:
        raise ValueError(f"needs a token: {guarded[0]}")
    return _app(served, _anybody, hop_limit, None)


def _app(
    endpoints: Iterable[Endpoint], auth: Auth, hop_limit: int, lifespan: Lifespan[Starlette] | None
) -> Starlette:
    routes = [endpoint.route(auth) for endpoint in endpoints]
    app = Starlette(routes=routes, exception_handlers=dict(HANDLERS), lifespan=lifespan)
    # Starlette has this setting only on its router.
    app.router.redirect_slashes = False
    app.add_middleware(Hops, limit=hop_limit)
    return app


async def _anybody(request: Request) -> Principal:
    return Principal("", "")
