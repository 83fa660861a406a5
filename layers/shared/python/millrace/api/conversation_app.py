"""The app of the conversation function: Starlette, streamed."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette

from millrace.api.auth import Auth, Authenticator
from millrace.api.conversations import Conversations
from millrace.api.endpoint import Endpoint
from millrace.api.errors import HANDLERS
from millrace.api.messages import Messages
from millrace.api.tickets import Callers
from millrace.services.platform import Platform
from millrace.settings import Settings
from millrace.stores.tickets import TicketStore


def create_app(settings: Settings, platform: Platform | None = None) -> Starlette:
    """The app; clients that every request needs are made now, in init."""
    platform = platform or Platform.make(settings)
    platform.warm()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await platform.close()

    tickets = TicketStore(platform.stores.aws, settings.tickets_table, platform.stores.clock)
    callers = Callers(Authenticator(settings), tickets)
    routes = [endpoint.route() for endpoint in endpoints(platform, callers)]
    app = Starlette(routes=routes, exception_handlers=dict(HANDLERS), lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


def endpoints(platform: Platform, auth: Auth) -> list[Endpoint]:
    """What the function serves."""
    return [*Conversations(platform, auth).endpoints(), *Messages(platform, auth).endpoints()]
