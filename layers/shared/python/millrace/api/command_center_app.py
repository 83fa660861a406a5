"""The app of the command center's function: Starlette, streamed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette

from millrace.api.alerts import Alerts
from millrace.api.auth import Authenticator
from millrace.api.command_center import CommandCenter
from millrace.api.endpoint import Endpoint
from millrace.api.errors import HANDLERS
from millrace.services.record import Recorder
from millrace.settings import Settings


def create_app(settings: Settings, recorder: Recorder | None = None) -> Starlette:
    """The app; clients that every request needs are made now, in init."""
    recorder = recorder or Recorder.connect(settings)
    aws = recorder.stores.aws
    aws.client("dynamodb")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(aws.close)

    routes = [endpoint.route() for endpoint in endpoints(recorder, Authenticator(settings))]
    app = Starlette(routes=routes, exception_handlers=dict(HANDLERS), lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


def endpoints(recorder: Recorder, auth: Authenticator) -> list[Endpoint]:
    """What the function serves."""
    return [*CommandCenter(recorder, auth).endpoints(), *Alerts(recorder, auth).endpoints()]
