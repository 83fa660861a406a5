"""The app of the voice function: Starlette, streamed."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette

from millrace.api.auth import Authenticator
from millrace.api.endpoint import Endpoint
from millrace.api.errors import HANDLERS
from millrace.api.tickets import Callers, Tickets
from millrace.api.voice import VoiceApi
from millrace.services.platform import Http
from millrace.settings import Settings
from millrace.speech.engines import Engines, SpeechConfig
from millrace.stores.connect import Stores
from millrace.stores.tickets import TicketStore


def create_app(
    settings: Settings,
    speech: SpeechConfig | None = None,
    stores: Stores | None = None,
) -> Starlette:
    """The app; the engine and clients that every request needs are made now, in init."""
    stores = stores or Stores.connect(settings)
    http = Http(settings)
    engines = Engines(speech or _configured(settings), stores.aws, lambda: http.models)
    stores.aws.client("dynamodb")
    engines.warm()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await engines.close()
        await http.close()
        stores.aws.close()

    callers = Callers(Authenticator(settings), TicketStore(stores.aws, settings.tickets_table, stores.clock))
    routes = [endpoint.route() for endpoint in endpoints(engines, stores, callers)]
    app = Starlette(routes=routes, exception_handlers=dict(HANDLERS), lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


def _configured(settings: Settings) -> SpeechConfig:
    return SpeechConfig(
        settings.speech_engine,
        settings.speech_base_url or settings.openai_base_url,
        settings.openai_api_key,
        settings.speech_model,
        settings.polly_engine,
    )


def endpoints(engines: Engines, stores: Stores, callers: Callers) -> list[Endpoint]:
    """What the function serves."""
    return [*VoiceApi(engines, stores, callers).endpoints(), *Tickets(callers).endpoints()]
