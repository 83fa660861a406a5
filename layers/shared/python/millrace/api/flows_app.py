"""The app of the flows function, streamed.

It is separate from the conversation function for two reasons: the expression engine and its tables would
delay the first token of chats, and a flow that waits for a slow step does not occupy a slot for chats.
"""

from starlette.applications import Starlette

from millrace.api.endpoint import Endpoint
from millrace.api.flows import FlowsApi
from millrace.api.flows_executions import FlowExecutionsApi
from millrace.api.streamed_app import streamed_app
from millrace.api.tickets import callers
from millrace.services.flows.manage import Flows
from millrace.services.flows.steps import FindPipeline
from millrace.services.runs.platform import Platform
from millrace.settings import Settings


def create_app(
    settings: Settings, platform: Platform | None = None, find_pipeline: FindPipeline | None = None
) -> Starlette:
    """Create the app. Clients that every request needs are created now, during init."""
    platform = platform or Platform.make(settings)
    platform.warm()
    stores = platform.stores
    flows = Flows.connect(platform, find_pipeline)
    return streamed_app(
        endpoints(flows), callers(settings, stores), stores, platform.close, settings.hop_limit
    )


def endpoints(flows: Flows) -> list[Endpoint]:
    """Return the endpoints of the function."""
    return [*FlowsApi(flows).endpoints(), *FlowExecutionsApi(flows).endpoints()]
