"""The HTTP client of all model servers, and reading of streamed answers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

import httpx
from msgspec import Struct

from millrace.agent.model import Delta
from millrace.agent.providers.failures import Server, failure, readable, retry_after, said, unreadable
from millrace.agent.providers.sse import EVENT_LIMIT, SHAPE_ERRORS
from millrace.errors import ProviderError
from millrace.net.transport import Transport, body_of, connect_by_name, plain_client

CONNECTIONS = 128
ERROR_BODY_LIMIT = 64 * 1024
# The seconds to wait for the bytes after the end of the message before closing the connection.
DRAIN_SECONDS = 0.25
_ANSWER_WORDS = (b'"choices"', b'"error"')


class Call(Struct, frozen=True):
    """A POST to a model server."""

    url: str
    headers: dict[str, str]
    body: bytes


class Reader(Protocol):
    """A parser of one protocol: from the bytes of one answer to deltas, without knowledge of HTTP.

    `feed` returns the deltas that a chunk completes. `done` becomes true when nothing more is needed. `end`
    returns the rest with its `Finish`, or raises `ProviderError` if the message has not ended. With
    `reads_json`, an answer that is one JSON object is read as an event, as some servers do not stream.
    """

    done: bool
    reads_json: bool

    def feed(self, chunk: bytes) -> Iterable[Delta]: ...

    def end(self) -> Iterable[Delta]: ...


def model_client(*, read_timeout: float = 600.0) -> httpx.AsyncClient:
    """Create the HTTP client that all providers of the process share. `read_timeout` is the longest silence
    in seconds that a thinking model is allowed. HTTP/1.1, so that closing a stream closes its socket."""
    timeout = httpx.Timeout(30.0, connect=5.0, read=read_timeout)
    return plain_client(Transport(connect_by_name, CONNECTIONS, CONNECTIONS), timeout)


async def stream_deltas(
    client: httpx.AsyncClient, server: Server, prepare: Callable[[], Awaitable[Call]], reader: Reader
) -> AsyncGenerator[Delta, None]:
    """Return the stream of a `Provider`: the deltas that `reader` finds in the answer to the prepared
    call."""
    async with answer(client, server, await prepare(), reads_json=reader.reads_json) as chunks:
        try:
            async for chunk in chunks:
                for delta in reader.feed(chunk):
                    yield delta
                if reader.done:
                    break
            for delta in reader.end():
                yield delta
        except SHAPE_ERRORS as error:
            why = readable(str(error) or type(error).__name__, server.secrets)
            raise unreadable(server, f"data that its protocol does not have: {why}") from error
        await _drain(chunks)


@asynccontextmanager
async def answer(
    client: httpx.AsyncClient, server: Server, call: Call, *, reads_json: bool = False
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yield the chunks of a 200 as they arrive. On exit the socket is closed unless the answer was read to
    its end. Every failure of the network or the server is a `ProviderError`."""
    # A compressed stream would arrive block by block instead of token by token.
    headers = {"content-type": "application/json", "accept-encoding": "identity"} | call.headers
    try:
        async with client.stream("POST", call.url, headers=headers, content=call.body) as response:
            document = await _accept(response, server, reads_json)
            async with aclosing(_as_event(document) if document else _chunks(response)) as chunks:
                yield chunks
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = str(error) or type(error).__name__
        message = f"{server.name} cannot be reached or stopped responding: {why}"
        raise ProviderError(message, code="provider_unreachable", retryable=True) from error


async def _accept(response: httpx.Response, server: Server, reads_json: bool) -> bytes:
    """Return the answer if it is one JSON document that a reader may read, and nothing if it is a stream.
    Raises `ProviderError` for anything else."""
    if response.status_code != 200:
        raise await _refusal(response, server)
    kind = response.headers.get("content-type", "")
    if not kind.startswith(("application/json", "text/html")):
        return b""
    body = b"" if kind.startswith("text/html") else await _beginning(response, EVENT_LIMIT)
    if reads_json and any(word in body for word in _ANSWER_WORDS):
        return body
    reason = readable(said(body), server.secrets)
    why = f" ({reason})" if reason else ""
    raise unreadable(server, f"{kind} instead of a stream{why}: check its address")


async def _as_event(document: bytes) -> AsyncGenerator[bytes, None]:
    """Return a JSON document as an event; line ends in it are white space."""
    yield b"data: " + document.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n\n"


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield the body. A broken connection ends it: the reader knows whether the message was complete."""
    # Some servers compress their answer although they are asked not to. Others do not need httpx's decoding
    # layers.
    source = response.aiter_bytes() if "content-encoding" in response.headers else body_of(response)
    try:
        async for chunk in source:
            yield chunk
    except httpx.TimeoutException:
        raise
    except httpx.HTTPError:
        return


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read past the end of the message, so that the connection is kept for the next call instead of being
    closed."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass
    except TimeoutError:
        return


async def _beginning(response: httpx.Response, limit: int = ERROR_BODY_LIMIT) -> bytes:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        # An endless body must neither block the run nor fill the memory.
        if len(body) > limit:
            break
    return body


async def _refusal(response: httpx.Response, server: Server) -> ProviderError:
    body = await _beginning(response)
    message, status = said(body), response.status_code
    if status == 400 and "model identifier is invalid" in message:
        status = 404  # Bedrock's way of saying not found
    # OpenAI's 429 for an account without credit does not go away by waiting.
    retryable = False if b"insufficient_quota" in body else None
    wait = retry_after(response.headers)
    return failure(server, status, message, retry_after=wait, retryable=retryable)
