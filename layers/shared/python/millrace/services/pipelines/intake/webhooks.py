"""Incoming webhooks for pipelines with a `webhook` source."""

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct

from millrace.domain.ids import new_id
from millrace.domain.json_reader import LINES, inflate, media_type, read_json, read_lines
from millrace.domain.pipelines import Pipeline
from millrace.domain.sender_ids import request_id, sender_id
from millrace.domain.signatures import check_signature
from millrace.errors import InvalidRequest, Unauthenticated
from millrace.pipelines.definitions.references import REFERENCE
from millrace.pipelines.definitions.sources import ExtensionSource, WebhookSource
from millrace.pipelines.event import Event
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.intake.added_sources import added_events
from millrace.services.pipelines.intake.push import Ingest, checked
from millrace.services.pipelines.payloads import LONGEST_ID
from millrace.stores.pipelines import unknown_pipeline
from millrace.stores.secrets import SecretStore

MAX_BODY = 1024 * 1024
"""The maximum size of a body in bytes, also after decompression."""
_TYPES = ("x-github-event", "x-shopify-topic", "ce-type")
"""Headers with an event's type."""


class Challenge(Struct, frozen=True):
    """Slack's verification of a URL, to be answered with the same text."""

    text: str


class Webhooks:
    """Receives webhooks. Anybody may call it, so a pipeline without webhooks looks like an unknown one."""

    def __init__(self, context: PipelineContext, ingest: Ingest, secrets: SecretStore) -> None:
        self._context = context
        self._ingest = ingest
        self._secrets = secrets

    async def receive(
        self, pipeline_id: str, headers: Mapping[str, str], body: bytes
    ) -> list[str] | Challenge:
        """Accept the events of a request, and return their ids. Header names are in lower case.

        Slack's `url_verification` is not an event; it is answered in every state of the pipeline.

        Raises `NotFound`, `Unauthenticated` for a wrong or old signature, `InvalidRequest` for a body that is
        not a JSON object, a list of objects or a form, and errors as `Ingest.accept` does.
        """
        organization, pipeline = await self._context.pipelines.find(pipeline_id)
        source: Any = self._context.plans.compiled(organization, pipeline).plan.definition.source
        if isinstance(source, ExtensionSource):
            return await self._received(organization, pipeline, source, headers, body)
        if not isinstance(source, WebhookSource):
            raise unknown_pipeline(pipeline_id)
        # Senders sign the bytes that they send, and only a verified sender's body is decompressed.
        if source.verify:
            secret = await self._secret(organization, source)
            check_signature(source.verify, secret, headers, body, self._context.clock())
        content = inflate(body, headers.get("content-encoding", ""), MAX_BODY)
        payloads = _payloads(headers.get("content-type", ""), content)
        challenge = _challenge(payloads[0]) if source.verify == "slack" else None
        if challenge:
            return challenge
        events = self._events(source, headers, payloads)
        return await self._ingest.accept(organization, await self._fresh(organization, pipeline), events)

    async def _received(
        self,
        organization: str,
        pipeline: Pipeline,
        source: ExtensionSource,
        headers: Mapping[str, str],
        body: bytes,
    ) -> list[str] | Challenge:
        """Receive a request as `receive` does, for a source from another package."""
        known = source.model_copy(update={"secret": await self._secret(organization, source) or None})
        found = await asyncio.to_thread(added_events, known, headers, body, self._context.clock())
        if isinstance(found, str):
            return Challenge(found)
        return await self._ingest.accept(organization, await self._fresh(organization, pipeline), found)

    async def _fresh(self, organization: str, pipeline: Pipeline) -> Pipeline:
        """Return the current pipeline, because the index by id may not show a recent start or stop."""
        return await self._context.plans.running(organization, pipeline.id)

    async def _secret(self, organization: str, source: WebhookSource | ExtensionSource) -> str:
        """Return the source's secret, with `${secrets.NAME}` replaced from the store."""
        text = source.secret or ""
        names = set(REFERENCE.findall(text))
        found = await self._secrets.read(organization, names)
        if names - found.keys():
            raise Unauthenticated("The pipeline's secret is not stored.", code="signature_invalid")
        return REFERENCE.sub(lambda name: found[name[1]].value, text)

    def _events(
        self, source: WebhookSource, headers: Mapping[str, str], payloads: list[dict[str, Any]]
    ) -> list[Event]:
        request, count = request_id(headers), len(payloads)
        now = self._context.clock()
        kind = next((headers[name] for name in _TYPES if headers.get(name)), "webhook")[:LONGEST_ID]
        events = []
        for at, payload in enumerate(payloads):
            own = sender_id(source.verify, headers, payload)
            id = _short(own) if own else _event_id(request, at, count)
            events.append(checked(Event(payload, id, "webhook", kind, now, now), at))
        return events


def _challenge(payload: dict[str, Any]) -> Challenge | None:
    text = payload.get("challenge")
    asked = payload.get("type") == "url_verification" and isinstance(text, str)
    return Challenge(str(text)) if asked else None


def _event_id(request: str | None, at: int, count: int) -> str:
    """Return an event's id: a number within the request's id, or a new id if the request has none."""
    if request is None:
        return new_id("evt")
    return _short(request) if count == 1 else f"{_short(request)}#{at}"


def _short(id: str) -> str:
    return id if len(id) <= 200 else sha256(id.encode(errors="surrogatepass")).hexdigest()


def _payloads(kind: str, body: bytes) -> list[dict[str, Any]]:
    """Return the events in a body: a JSON object, a list, JSON lines, or a form (older GitHub and Slack).

    Other content types are read as JSON, because not every sender sets the right one.
    """
    if media_type(kind) == "application/x-www-form-urlencoded":
        return [_form(body)]
    found = read_lines(body) if media_type(kind) in LINES else read_json(body)
    payloads = found if isinstance(found, list) else [found]
    if not payloads or len(payloads) > 1_000 or not all(isinstance(one, dict) for one in payloads):
        raise InvalidRequest("Send a JSON object, or a list of 1 to 1,000.", code="invalid_items")
    return payloads


def _form(body: bytes) -> dict[str, Any]:
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1_000))
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidRequest("The body is not a form.", code="invalid_form") from error
    # GitHub's forms and Slack's interactions have all of their JSON in this one field.
    if set(fields) != {"payload"}:
        return fields
    payload = read_json(fields["payload"].encode(), "The field `payload`")
    return payload if isinstance(payload, dict) else {"payload": payload}
