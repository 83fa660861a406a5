"""The app of the webhooks function. Anybody may call it; a pipeline's signature check decides."""

from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.endpoint import Endpoint
from millrace.api.operation import ANY_TOKEN, JSON
from millrace.api.pipelines_errors import PUSH_ERRORS
from millrace.api.streamed_app import public_app
from millrace.domain.access import Principal
from millrace.errors import TooLarge
from millrace.services.pipelines.backpressure import Backpressure
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.intake.push import Ingest
from millrace.services.pipelines.intake.webhooks import MAX_BODY, Challenge, Webhooks
from millrace.settings import Settings
from millrace.stores.secrets import SecretStore

HOOK_ERRORS = (*PUSH_ERRORS, "signature_invalid", "invalid_form", "extension_missing")


def create_app(settings: Settings, context: PipelineContext | None = None) -> Starlette:
    """Create the app. Clients that every request needs are created now, during init."""
    context = context or PipelineContext.connect(settings)
    context.warm()
    return public_app(endpoints(context), settings.hop_limit)


def endpoints(context: PipelineContext) -> list[Endpoint]:
    """Return the endpoints of the function."""
    settings = context.settings
    secrets = SecretStore(context.aws, context.dynamo, settings.secrets_table, settings.secrets_key_id)
    return WebhooksApi(Webhooks(context, Ingest(context, Backpressure(context)), secrets)).endpoints()


class WebhooksApi(Struct, frozen=True):
    """The endpoint that receives webhooks."""

    webhooks: Webhooks

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoint."""
        return [
            Endpoint(
                "POST",
                "/hooks/{pipeline_id}",
                "Send events to a pipeline; its signature check decides who may do so",
                ANY_TOKEN,
                self.receive_webhook,
                credential="none",
                body="WebhookBody",
                body_media=(JSON, "application/x-www-form-urlencoded"),
                answers={202: "PushedItems", 200: "WebhookChallenge"},
                errors=HOOK_ERRORS,
            )
        ]

    async def receive_webhook(self, request: Request, caller: Principal) -> Response:
        body = await request.body()
        if len(body) > MAX_BODY:
            raise TooLarge(f"The body must not exceed {MAX_BODY // 1024:,} KB.", limit=MAX_BODY)
        found = await self.webhooks.receive(request.path_params["pipeline_id"], dict(request.headers), body)
        if isinstance(found, Challenge):
            return JSONResponse({"challenge": found.text})
        return JSONResponse({"accepted": len(found), "ids": found}, 202)
