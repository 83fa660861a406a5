"""Amazon Bedrock's ConverseStream over plain HTTP, signed by botocore.

Format: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html. boto3 is not
used, since its streams block a thread each and continue after a cancellation. Credentials come from
botocore's chain, resolved at the first call and refreshed by botocore, or from a Bedrock API key.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Iterator
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import orjson

from millrace.agent.accepts import MediaRules
from millrace.agent.model import (
    Block,
    Delta,
    Finish,
    ModelRequest,
    Text,
    ToolSpec,
    Usage,
)
from millrace.agent.output import instruction
from millrace.agent.providers.bedrock_documents import with_documents
from millrace.agent.providers.claude_output import can_hold_to
from millrace.agent.providers.connection import Call, stream_deltas
from millrace.agent.providers.error_statuses import status_of
from millrace.agent.providers.event_stream import EventStreamParser
from millrace.agent.providers.extended_thinking import thinking_fields
from millrace.agent.providers.failures import Server, failure, incomplete, words
from millrace.agent.providers.finish_reasons import finish_reason
from millrace.agent.providers.history import count, counted, tools, turns
from millrace.agent.providers.lenient_json import Joiner, parse
from millrace.agent.providers.thoughts import OpenThought
from millrace.agent.providers.tool_calls import OpenCall, OpenCalls, arguments_text
from millrace.errors import ProviderError
from millrace.settings import Settings

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials

_CACHE_POINT: Block = {"cachePoint": {"type": "default"}}
# Claude 3.7 and later. A request that marks a cache point is refused by models without a prompt cache.
_CACHING_MODELS = re.compile(r"anthropic\.claude-(3-7|(opus|sonnet|haiku|fable|mythos)-[4-9])")


class BedrockProvider:
    """A `Provider` for every model that Bedrock offers through ConverseStream."""

    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
    media = MediaRules(image_bytes=3_750_000, images=20, pdf_bytes=4_500_000, pdfs=5)

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        region = settings.region
        endpoint = settings.bedrock_endpoint_url or f"https://bedrock-runtime.{region}.amazonaws.com"
        self._client = client
        self._endpoint = endpoint.rstrip("/")
        self._token = token = settings.aws_bearer_token_bedrock
        self._signer = Signer(region)
        check = f"Check bedrock:InvokeModelWithResponseStream and the account's access to models in {region}."
        if token:
            check = f"Check AWS_BEARER_TOKEN_BEDROCK and its access to models in {region}."
        self._server = Server("Bedrock", check, (token,))

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `Provider`."""

        async def prepare() -> Call:
            # Quoted once: the signer quotes the path again, which every AWS service except S3 expects.
            url = f"{self._endpoint}/model/{quote(request.model, safe='')}/converse-stream"
            body = orjson.dumps(converse_request(request))
            return Call(url, await self._headers(url, body), body)

        return stream_deltas(self._client, self._server, prepare, ConverseReader(self._server))

    async def _headers(self, url: str, body: bytes) -> dict[str, str]:
        if self._token:
            return {"authorization": f"Bearer {self._token}"}
        return await asyncio.to_thread(self._signer.headers, url, body)


class Signer:
    """Signature version 4 for Bedrock. Resolving or refreshing credentials may block, so call it in a
    thread."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._lock = Lock()
        self._credentials: Credentials | None = None

    def headers(self, url: str, body: bytes) -> dict[str, str]:
        """Return the headers of a signed POST. Raises `ProviderError` if there are no credentials."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        headers = {"content-type": "application/json"}
        request = AWSRequest(method="POST", url=url, data=body, headers=headers)
        SigV4Auth(self._current(), "bedrock", self._region).add_auth(request)
        return {name.lower(): str(value) for name, value in request.headers.items()}

    def _current(self) -> "ReadOnlyCredentials":
        from botocore.exceptions import BotoCoreError

        try:
            # Several threads may sign at once, but only one should resolve the credentials.
            with self._lock:
                self._credentials = self._credentials or _resolve()
            # Frozen: a refresh in another thread could change the key while its parts are read.
            return self._credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise _no_credentials(str(error)) from error


def _resolve() -> "Credentials":
    from botocore.session import Session

    credentials = Session().get_credentials()
    if credentials is None:
        raise _no_credentials("none found")
    return credentials


def _no_credentials(why: str) -> ProviderError:
    return ProviderError(
        f"No AWS credentials for Bedrock ({why}). Give the function a role, or set AWS_PROFILE.",
        code="provider_auth",
    )


def converse_request(request: ModelRequest) -> dict[str, Any]:
    """Return the body of the request, with cache points for models that are known to have a prompt cache."""
    cache_point = [_CACHE_POINT] if _CACHING_MODELS.search(request.model) else []
    messages = with_documents(turns(request.messages))
    thinking = thinking_fields(request, messages)
    for turn in messages[-1::-2][:2]:
        turn["content"] = turn["content"] + cache_point
    body: dict[str, Any] = {"messages": messages, "inferenceConfig": {"maxTokens": request.max_tokens}}
    words = request.system
    if request.response_schema is not None:
        if can_hold_to(request.model, request.response_schema):
            body["outputConfig"] = _output_config(request.response_schema)
        else:
            words = instruction(request)
    if words.strip():
        body["system"] = [{"text": words}, *cache_point]
    if offered := tools(request):
        body["toolConfig"] = {"tools": [*map(_tool, offered), *cache_point]}
    if thinking:
        body["additionalModelRequestFields"] = thinking
    return body


def _output_config(schema: dict[str, Any]) -> Block:
    named = {"name": "answer", "schema": orjson.dumps(schema).decode()}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": named}}}


def _tool(tool: ToolSpec) -> Block:
    schema = {"json": tool.parameters}
    # Bedrock refuses an empty description.
    description = tool.description.strip() or tool.name
    return {"toolSpec": {"name": tool.name, "description": description, "inputSchema": schema}}


class ConverseReader:
    """A `Reader` of ConverseStream's events."""

    reads_json = False

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = EventStreamParser()
        self._calls = OpenCalls()
        self._thoughts: dict[int, OpenThought] = {}
        self._text = Joiner()
        self._reason = ""
        self._usage: Usage | None = None
        self.done = False

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """See `Reader`."""
        for headers, payload in self._parser.feed(chunk):
            yield from self._read(headers, payload)

    def _read(self, headers: dict[str, Any], payload: bytes) -> Iterable[Delta]:
        """Return the deltas of one event. The most frequent one, a piece of text, takes the shortest path."""
        try:
            event = orjson.loads(payload or b"{}")
        except orjson.JSONDecodeError:
            return self._event(headers, parse(payload))
        if headers.get(":event-type") == "contentBlockDelta" and not self._text.holds:
            text = event["delta"].get("text")
            if text:
                return (Text(text),)
        return self._event(headers, event)

    def _event(self, headers: dict[str, Any], event: dict[str, Any]) -> Iterable[Delta]:
        kind = headers.get(":event-type")
        if kind == "contentBlockDelta":
            return self._piece(event["contentBlockIndex"], event["delta"])
        if headers.get(":message-type") != "event":
            raise self._failure(headers, event)
        return self._envelope(kind, event)

    def _envelope(self, kind: str | None, event: dict[str, Any]) -> Iterable[Delta]:
        if kind == "contentBlockStart":
            self._start(event["contentBlockIndex"], event.get("start") or {})
        elif kind == "contentBlockStop":
            return self._stop(event["contentBlockIndex"])
        elif kind == "messageStop":
            self._reason = event.get("stopReason") or "unknown"
        elif kind == "metadata":
            self._usage = _usage(event.get("usage") or {})
            # The usage follows `messageStop`; without that event the message has not ended.
            self.done = bool(self._reason)
        return ()

    def _start(self, index: int, start: Block) -> None:
        if use := start.get("toolUse"):
            self._calls.start(OpenCall(use.get("toolUseId") or "", use.get("name") or ""), index)

    def _piece(self, index: int, delta: Block) -> Iterator[Delta]:
        if use := delta.get("toolUse"):
            if call := self._calls.get(index):
                call.add(arguments_text(use.get("input")))
        elif reasoning := delta.get("reasoningContent"):
            thought = self._thoughts.setdefault(index, OpenThought())
            thought.sign(reasoning.get("signature"))
            thought.redact(reasoning.get("redactedContent") or "")
            yield from thought.add(reasoning.get("text"))
        elif text := self._text.join(delta.get("text") or ""):
            yield Text(text)

    def _stop(self, index: int) -> Iterator[Delta]:
        if rest := self._text.finish():
            yield Text(rest)
        if thought := self._thoughts.pop(index, None):
            yield from thought.close()

    def _failure(self, headers: dict[str, Any], event: dict[str, Any]) -> ProviderError:
        kind = str(headers.get(":exception-type") or headers.get(":error-code") or "an error")
        message = words(event) or str(headers.get(":error-message") or "")
        return failure(self._server, status_of(kind) or 500, f"{kind}: {message}")

    def end(self) -> Iterator[Delta]:
        """See `Reader`. `messageStop` ends the message; the usage after it may be missing."""
        if not self._reason:
            raise incomplete(self._server)
        reason = finish_reason(self._server, self._reason)
        yield from self._calls.close(cut=reason == "max_tokens")
        yield Finish(reason, self._usage)


def _usage(usage: dict[str, Any]) -> Usage | None:
    """Return the usage. Bedrock does not include cached input in `inputTokens`."""
    if not counted(usage, "inputTokens", "outputTokens"):
        return None
    read, write = count(usage.get("cacheReadInputTokens")), count(usage.get("cacheWriteInputTokens"))
    return Usage(
        input=count(usage.get("inputTokens")) + read + write,
        output=count(usage.get("outputTokens")),
        cache_read=read,
        cache_write=write,
    )
