"""The app of the A2A function, streamed.

A function of its own: the SDK's types cost a quarter of a second of init, which is no business of a chat.
"""

from starlette.applications import Starlette
from starlette.requests import Request

from millrace.api.a2a import A2A
from millrace.api.auth import Auth
from millrace.api.endpoint import Endpoint
from millrace.api.operation import Operation
from millrace.api.streamed_app import streamed_app
from millrace.api.tickets import callers
from millrace.domain.access import Principal
from millrace.services.runs.platform import Platform
from millrace.settings import Settings


def create_app(settings: Settings, platform: Platform | None = None) -> Starlette:
    """The app; clients that every request needs are made now, in init."""
    platform = platform or Platform.make(settings)
    platform.warm()
    stores = platform.stores
    return streamed_app(
        [*endpoints(platform), *A2A(platform).protocol_endpoints()],
        _or_nobody(callers(settings, stores)),
        stores,
        platform.close,
        settings.hop_limit,
    )


def endpoints(platform: Platform) -> list[Endpoint]:
    """Return the endpoints of the function that the OpenAPI document describes."""
    return A2A(platform).endpoints()


def _or_nobody(auth: Auth) -> Auth:
    """Nobody is a caller where no credential is needed, and none is given."""

    async def caller(request: Request) -> Principal:
        operation: Operation = request.state.operation
        if operation.credential == "none" and "authorization" not in request.headers:
            return Principal("", "")
        return await auth(request)

    return caller
