"""The app of the MCP function, streamed.

It is a separate function so that importing the SDK does not delay the first token of chats.
"""

from starlette.applications import Starlette

from millrace.api.auth import Authenticator, or_nobody
from millrace.api.endpoint import Endpoint
from millrace.api.mcp import McpApi
from millrace.api.mcp_challenge import Challenge
from millrace.api.streamed_app import streamed_app
from millrace.services.pipelines.context import PipelineContext
from millrace.services.runs.platform import Platform
from millrace.settings import Settings


def create_app(settings: Settings, platform: Platform | None = None) -> Starlette:
    """Create the app. Clients that every request needs are created now, during init."""
    platform = platform or Platform.make(settings)
    platform.warm()
    app = streamed_app(
        endpoints(platform),
        or_nobody(Authenticator(settings, platform.stores)),
        platform.stores,
        platform.close,
        settings.hop_limit,
    )
    app.add_middleware(Challenge)
    return app


def endpoints(platform: Platform) -> list[Endpoint]:
    """Return the endpoints of the function."""
    return McpApi(platform, PipelineContext.connect(platform.settings, platform.stores.aws)).endpoints()
