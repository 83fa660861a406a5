"""OpenAI's chat completions, streamed: api.openai.com and every server with the same protocol (vLLM, Ollama,
OpenRouter, LM Studio, llama.cpp), at the address of a `ModelServer`.

Format: https://platform.openai.com/docs/api-reference/chat-streaming. `chat_request` writes requests,
`chat_reader` reads answers, and `chat_servers` has the differences between servers.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx
import orjson
from msgspec.structs import replace

from millrace.agent.accepts import MediaRules
from millrace.agent.model import Delta, ModelRequest
from millrace.agent.providers.chat_reader import ChatReader
from millrace.agent.providers.chat_request import chat_request
from millrace.agent.providers.chat_servers import DIALECTS, ChatDialect, dialect_of
from millrace.agent.providers.connection import Call, stream_deltas
from millrace.agent.providers.failures import Server
from millrace.agent.providers.model_servers import ModelServer
from millrace.errors import ProviderError


class OpenAIProvider:
    """A `Provider` for chat completions."""

    def __init__(self, server: ModelServer, client: httpx.AsyncClient) -> None:
        base, key = server.base_url.rstrip("/"), server.key
        url = httpx.URL(base)
        self._client = client
        self._url = f"{base}/chat/completions"
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._key = url.netloc.decode()
        self._dialect = DIALECTS[server.dialect or dialect_of(url.host)]
        self.media = _media(self._dialect)
        self._without_format: set[str] = set()
        self._server = Server(f"The model server {url.host}", f"Check {server.key_setting}.", (key,))

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `Provider`."""
        structured = request.response_schema is not None
        return self._structured(request) if structured else self._answer(request, self._dialect)

    async def _structured(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """Yield the answer with structured output. A server that does not support it is asked again with the
        schema in the instructions, and from then on always in this way."""
        in_words = replace(self._dialect, schema="none")
        if request.model not in self._without_format:
            answered = False
            try:
                async with aclosing(self._answer(request, self._dialect)) as deltas:
                    async for delta in deltas:
                        answered = True
                        yield delta
                return
            except ProviderError as error:
                # An error in the middle of the answer may mention the format too; another try would show the
                # answer twice.
                if answered or not _refuses_format(error):
                    raise
            self._without_format.add(request.model)
        async with aclosing(self._answer(request, in_words)) as deltas:
            async for delta in deltas:
                yield delta

    def _answer(self, request: ModelRequest, dialect: ChatDialect) -> AsyncGenerator[Delta, None]:
        async def prepare() -> Call:
            return Call(self._url, self._headers, orjson.dumps(chat_request(request, dialect, self._key)))

        return stream_deltas(self._client, self._server, prepare, ChatReader(self._server, self._key))


def _media(dialect: ChatDialect) -> MediaRules:
    # https://developers.openai.com/api/docs/guides/file-inputs: PDFs as base64 only; 50 MB of a request.
    return MediaRules(
        image_bytes=20_000_000,
        images=50,
        pdfs=20,
        bytes=25_000_000,
        pdf=dialect.pdf,
        urls=frozenset({"image"} if dialect.image_urls else ()),
    )


def _refuses_format(error: ProviderError) -> bool:
    """Return whether a server refused a request because of its `response_format`."""
    words = ("response_format", "response format", "json_schema", "structured output", "json mode")
    return error.http_status in (400, 422) and any(word in error.message.lower() for word in words)
