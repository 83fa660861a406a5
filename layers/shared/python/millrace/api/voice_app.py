"""The app of the voice function, streamed."""

from starlette.applications import Starlette

from millrace.api.endpoint import Endpoint
from millrace.api.streamed_app import streamed_app
from millrace.api.tickets import Tickets, callers
from millrace.api.voice import VoiceApi
from millrace.services.runs.platform import HttpClients
from millrace.settings import Settings
from millrace.speech.engines import Engines, SpeechConfig
from millrace.stores.connect import Stores
from millrace.stores.speech_stops import SpeechStops
from millrace.stores.tickets import TicketStore


def create_app(
    settings: Settings, speech: SpeechConfig | None = None, stores: Stores | None = None
) -> Starlette:
    """Create the app. The engine, and clients that every request needs, are created now, during init."""
    stores = stores or Stores.connect(settings)
    http = HttpClients(settings)
    engines = Engines(speech or _configured(settings), stores.aws, lambda: http.models)
    stores.aws.client("dynamodb")
    engines.warm()

    async def close() -> None:
        await engines.close()
        await http.close()
        stores.aws.close()

    auth = callers(settings, stores)
    stops = SpeechStops(stores.aws, settings.tickets_table, stores.clock)
    table = endpoints(engines, stores, auth.tickets, stops)
    return streamed_app(table, auth, stores, close, settings.hop_limit)


def _configured(settings: Settings) -> SpeechConfig:
    return SpeechConfig(
        settings.speech_engine,
        settings.speech_base_url or settings.openai_base_url,
        settings.openai_api_key,
        settings.speech_model,
        settings.polly_engine,
        settings.piper_voices,
    )


def endpoints(engines: Engines, stores: Stores, tickets: TicketStore, stops: SpeechStops) -> list[Endpoint]:
    """Return the endpoints of the function."""
    return [*VoiceApi(engines, stores, stops).endpoints(), *Tickets(tickets).endpoints()]
