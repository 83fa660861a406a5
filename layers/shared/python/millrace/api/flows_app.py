"""The app of the flows' function: Starlette, streamed.

A function of its own, rather than part of the conversations': the expression engine and its tables are no
business of a chat's first token, and a flow may wait on its slowest step without taking a chat's place.
"""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette

from millrace.api.auth import Authenticator
from millrace.api.endpoint import Endpoint
from millrace.api.errors import HANDLERS
from millrace.api.flows import FlowsApi
from millrace.services.flows import Flows
from millrace.services.flows_steps import FindPipeline, no_pipelines
from millrace.services.platform import Platform
from millrace.settings import Settings


def create_app(
    settings: Settings, platform: Platform | None = None, find_pipeline: FindPipeline = no_pipelines
) -> Starlette:
    """The app; clients that every request needs are made now, in init."""
    platform = platform or Platform.make(settings)
    platform.warm()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await platform.close()

    flows = Flows.connect(platform, find_pipeline)
    routes = [endpoint.route() for endpoint in endpoints(flows, Authenticator(settings))]
    app = Starlette(routes=routes, exception_handlers=dict(HANDLERS), lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


def endpoints(flows: Flows, auth: Authenticator) -> list[Endpoint]:
    """What the function serves."""
    return FlowsApi(flows, auth).endpoints()
