"""The app of the A2A function, streamed.

It is a separate function because the SDK's types cost a quarter of a second of init, which chats should not
pay.
"""

from starlette.applications import Starlette

from millrace.api.a2a import A2A
from millrace.api.auth import or_nobody
from millrace.api.endpoint import Endpoint
from millrace.api.streamed_app import streamed_app
from millrace.api.tickets import callers
from millrace.services.runs.platform import Platform
from millrace.settings import Settings


def create_app(settings: Settings, platform: Platform | None = None) -> Starlette:
    """Create the app. Clients that every request needs are created now, during init."""
    platform = platform or Platform.make(settings)
    platform.warm()
    stores = platform.stores
    return streamed_app(
        [*endpoints(platform), *A2A(platform).protocol_endpoints()],
        or_nobody(callers(settings, stores)),
        stores,
        platform.close,
        settings.hop_limit,
    )


def endpoints(platform: Platform) -> list[Endpoint]:
    """Return the endpoints of the function that the OpenAPI document describes."""
    return A2A(platform).endpoints()
