"""The app of the flows' function, streamed.

A function of its own, rather than part of the conversations': the expression engine and its tables are no
business of a chat's first token, and a flow may wait on its slowest step without taking a chat's place.
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
    """The app; clients that every request needs are made now, in init."""
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
