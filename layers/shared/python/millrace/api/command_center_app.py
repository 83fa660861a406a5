"""The app of the command center's function, streamed."""

import asyncio

from starlette.applications import Starlette

from millrace.api.alerts import Alerts
from millrace.api.command_center import CommandCenter
from millrace.api.endpoint import Endpoint
from millrace.api.streamed_app import streamed_app
from millrace.api.tickets import callers
from millrace.services.command_center.record import Recorder
from millrace.settings import Settings


def create_app(settings: Settings, recorder: Recorder | None = None) -> Starlette:
    """Create the app. Clients that every request needs are created now, during init."""
    recorder = recorder or Recorder.connect(settings)
    aws = recorder.stores.aws
    aws.client("dynamodb")

    async def close() -> None:
        await asyncio.to_thread(aws.close)

    stores = recorder.stores
    return streamed_app(endpoints(recorder), callers(settings, stores), stores, close, settings.hop_limit)


def endpoints(recorder: Recorder) -> list[Endpoint]:
    """Return the endpoints of the function."""
    alerts = Alerts(recorder)
    return [*CommandCenter(recorder).endpoints(), *alerts.endpoints(), alerts.metric_endpoint()]
