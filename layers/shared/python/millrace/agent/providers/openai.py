"""OpenAI's chat completions, streamed: api.openai.com and every server that speaks the same (vLLM, Ollama,
OpenRouter, LM Studio, llama.cpp), at the address of a `ModelServer`.

Format: https://platform.openai.com/docs/api-reference/chat-streaming. What is sent is `chat_request`'s, what
comes back `chat_reader`'s, and `chat_servers` knows what the servers differ in.
"""

from collections.abc import AsyncGenerator

import httpx
import orjson

from millrace.agent.model import Delta, ModelRequest
from millrace.agent.providers.chat_reader import ChatReader
from millrace.agent.providers.chat_request import chat_request
from millrace.agent.providers.chat_servers import DIALECTS, dialect_of
from millrace.agent.providers.connection import Call, stream_deltas
from millrace.agent.providers.failures import Server
from millrace.agent.providers.model_servers import ModelServer


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
        self._server = Server(f"The model server {url.host}", f"Check {server.key_setting}.", (key,))

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `Provider`."""

        async def prepare() -> Call:
            body = chat_request(request, self._dialect, self._key)
            return Call(self._url, self._headers, orjson.dumps(body))

        return stream_deltas(self._client, self._server, prepare, ChatReader(self._server, self._key))
